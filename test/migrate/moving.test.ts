import { Column, Entity, PrimaryGeneratedColumn, UpdateDateColumn, VersionColumn } from 'typeorm'
import { expect, it } from 'vitest'
import type { StoredFile } from '../../src/core/stored-file.js'
import { runWithTenant } from '../../src/core/tenant.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { migrateFiles } from '../../src/migrate/index.js'
import { FileColumn, rulesOf } from '../../src/typeorm/index.js'
import { describeOnDatabases, house, ledgerOf, memoryStorage, upload } from '../typeorm/databases.js'

@Entity()
class Parcel {
  @PrimaryGeneratedColumn()
  id!: number

  @Column({ type: 'varchar', default: '' })
  owner!: string

  @VersionColumn()
  version!: number

  @UpdateDateColumn()
  changed!: Date

  @FileColumn({ folder: 'parcels' })
  file!: StoredFile | null
}

describeOnDatabases('migrateFiles', fresh => {
  async function town(count: number) {
    const backends = { old: new MemoryDriver(), new: new MemoryDriver() }
    const { storage, dataSource } = await house(fresh, [Parcel], { storage: memoryStorage(backends) })
    const parcels = dataSource.getRepository(Parcel)
    for (let n = 0; n < count; n++) {
      const tenant = n % 2 === 0 ? 'acme' : 'globex'
      const file = await upload({ storage }, rulesOf(Parcel, 'file'), { tenant, body: `parcel ${n}` })
      await parcels.save(parcels.create({ file, owner: tenant }))
    }
    return { backends, storage, dataSource, parcels }
  }

  it('points every row to the new place of its bytes, and leaves the old ones', async () => {
    const { backends, dataSource, parcels } = await town(5)
    const before = await parcels.find({ order: { id: 'ASC' } })
    const report = await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    expect(report).toMatchObject({ rows: 5, moved: 5, failed: 0, skipped: 0, aborted: false, bytes: 40 })
    const after = await parcels.find({ order: { id: 'ASC' } })
    expect(after.map(({ file }) => file?.backend)).toEqual(Array(5).fill('new'))
    expect(after.map(({ file, ...row }) => ({ ...row, file: { ...file, backend: 'old' } }))).toEqual(
      before.map(({ file, ...row }) => ({ ...row, file: { ...file } })),
    )
    for (const { file, owner } of after)
      expect(await runWithTenant(owner, async () => String(await file?.bytes()))).toMatch(/^parcel/)
    expect(await keysOf(backends.old).then(keys => keys.length)).toBe(5)
    const lines = await ledgerOf(dataSource)
    expect(lines.map(({ backend, state }) => `${backend} ${state}`).sort()).toEqual([
      ...Array(5).fill('new attached'),
      ...Array(5).fill('old kept'),
    ])
  })
})

async function keysOf(driver: MemoryDriver): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of driver.list('')) keys.push(key)
  return keys
}
