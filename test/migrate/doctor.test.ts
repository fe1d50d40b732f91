import { Entity, PrimaryGeneratedColumn } from 'typeorm'
import { expect, it } from 'vitest'
import { createStorage, type Storage, type StorageOptions } from '../../src/core/storage.js'
import type { StoredFile } from '../../src/core/stored-file.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { checkPhase, migrateFiles, type Phase, type PhaseReport } from '../../src/migrate/index.js'
import { ChaosDriver } from '../../src/testing/index.js'
import { FileColumn } from '../../src/typeorm/index.js'
import { keysIn } from '../isolation/doors.js'
import { house } from '../typeorm/databases.js'
import { describeOnSqliteFirst } from '../typeorm/on-databases.js'
import { fill, Parcel } from './town.js'

@Entity('leaf')
class Leaf {
  @PrimaryGeneratedColumn()
  id!: number

  @FileColumn({ folder: 'leaves', legacy: key => ({ tenant: 'acme', key, name: 'old', backend: 'old' }) })
  file!: StoredFile | null

  @FileColumn({ folder: 'leaves', legacy: key => ({ tenant: 'acme', key, name: 'old' }) })
  other!: StoredFile | null
}

/** The checks that are not ok, with what they say. */
function faultsOf({ checks }: PhaseReport): Record<string, string> {
  const faults = checks.filter(({ state }) => state !== 'ok')
  return Object.fromEntries(faults.map(({ check, state, detail }) => [check, `${state}: ${detail}`]))
}

describeOnSqliteFirst('checkPhase', fresh => {
  /** Files on the backend called `old`; `writes` says where new ones go. */
  async function site(
    more: Partial<StorageOptions> = {},
    entities: (typeof Parcel | typeof Leaf)[] = [Parcel],
  ) {
    const writes = { to: 'old' }
    const backends = { old: new MemoryDriver(), new: new MemoryDriver() }
    const storage: Storage = createStorage({
      secret: 'a secret of the doctor tests',
      backends,
      environment: 'production',
      writeTo: () => writes.to,
      ...more,
    })
    const { dataSource } = await house(fresh, entities, { storage })
    const check = (phase: Phase, to = 'new') => checkPhase({ dataSource, phase, to })
    return { writes, backends, storage, dataSource, check }
  }

  it('lets each phase begin when the one before is done', async () => {
    const { writes, backends, storage, dataSource, check } = await site()
    await fill(storage, dataSource, 3)
    expect(await check(1)).toMatchObject({ isSafe: true })
    expect(faultsOf(await check(2))).toEqual({
      'write-to': 'failed: New files go to "old" still. Set writeTo.',
    })
    writes.to = 'new'
    expect(faultsOf(await check(2))).toEqual({})
    // The first run makes the tables.
    expect(faultsOf(await check(3))).toEqual({ tables: expect.stringMatching(/^warning/) })
    expect(faultsOf(await check(4))).toMatchObject({
      tables: expect.stringMatching(/^failed/),
      left: expect.stringMatching(/^failed: 3 files lie on "old" still/),
    })
    await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    for (const phase of [4, 5] as const) {
      const report = await check(phase)
      expect(faultsOf(report)).toEqual({})
      expect(report.isSafe).toBe(true)
    }
    // Nothing is left of the probes; the mark of the environment stays.
    for (const driver of Object.values(backends)) {
      const keys = await keysIn(driver.list(''))
      expect(keys.filter(key => key.includes('_tenant-files'))).toEqual([])
    }
  })

  it('says that a move is not done: rows left, under way, and failed', async () => {
    const { writes, backends, storage, dataSource, check } = await site()
    writes.to = 'new'
    writes.to = 'old'
    await fill(storage, dataSource, 4)
    writes.to = 'new'
    const [key = ''] = await keysIn(backends.old.list('media/'))
    await backends.old.delete(key)
    await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    expect(faultsOf(await check(5))).toEqual({
      left: expect.stringContaining('1 file lies on "old" still'),
      journal: 'failed: 1 row could not be moved: migrate says why.',
    })
    // Whoever removes the row has mended it.
    await dataSource.query(`DELETE FROM parcel WHERE file LIKE '%"backend":"old"%'`)
    expect(faultsOf(await check(5))).toEqual({})
    await dataSource.query(
      `UPDATE file_migration SET state = 'moving', lease_until = 0 WHERE state = 'moved'`,
    )
    expect(faultsOf(await check(5))).toEqual({
      journal: expect.stringContaining('3 rows are under way, or were when a run was killed'),
    })
    const report = await checkPhase({ dataSource, phase: 5, to: 'new', tenant: 'nobody' })
    expect(faultsOf(report)).toEqual({})
  })

  it('names rows on a backend that is not configured, and text that is no file', async () => {
    const { storage, dataSource, check } = await site()
    await fill(storage, dataSource, 3)
    await dataSource.query(
      `UPDATE parcel SET file = REPLACE(file, '"backend":"old"', '"backend":"tape"') WHERE id = 1`,
    )
    await dataSource.query(`UPDATE parcel SET file = 'rubbish' WHERE id = 2`)
    expect(faultsOf(await check(1))).toEqual({
      rows: 'failed: The backend "tape" is not configured: 1 row of Parcel.file. Text that names no file: 1 row of Parcel.file.',
    })
  })

  it('finds old paths that would be looked for where new files go', async () => {
    const { check, dataSource } = await site({}, [Leaf])
    await dataSource.query(`INSERT INTO leaf (file, other) VALUES ('here/a.txt', 'a.txt')`)
    expect(faultsOf(await check(1))).toEqual({
      'old-paths': expect.stringContaining('"legacy" of Leaf.other names no backend'),
    })
    await dataSource.query(`UPDATE leaf SET other = NULL`)
    expect(faultsOf(await check(1))).toEqual({})
  })

  it('keeps staging out of the bucket of production', async () => {
    const { backends, check } = await site()
    await check(1) // marks it
    const staging = await site({ backends, environment: 'staging' })
    expect(faultsOf(await staging.check(1))).toEqual({
      environment: 'failed: "new" belongs to the environment "production", and this storage to "staging".',
      target: expect.stringContaining('ERR_ENVIRONMENT_MISMATCH'),
    })
    const nameless = await site({ backends, environment: undefined })
    expect(faultsOf(await nameless.check(1))).toEqual({
      environment: expect.stringMatching(/^failed: .*"production"/),
    })
    const unguarded = await site({ environment: undefined })
    expect(faultsOf(await unguarded.check(1))).toEqual({ environment: expect.stringMatching(/^warning/) })
  })

  it('says which backend cannot be reached, and may not be deleted from', async () => {
    const away = new S3Driver({
      ...{ bucket: 'files', region: 'fra1', endpoint: 'http://127.0.0.1:1' },
      credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    })
    const readOnly = new ChaosDriver(new MemoryDriver(), {
      rules: [{ method: 'delete', every: 1, fault: { kind: 'error', code: 'ERR_BACKEND_DENIED' } }],
    })
    const { writes, check } = await site({ backends: { old: new MemoryDriver(), new: away } })
    expect(faultsOf(await check(1))).toEqual({
      environment: expect.stringMatching(/^failed: ERR_BACKEND/),
      target: expect.stringMatching(/^failed: ERR_BACKEND/),
    })
    const other = await site({ backends: { old: readOnly, new: new MemoryDriver() } })
    other.writes.to = 'new'
    expect(faultsOf(await other.check(3))).toMatchObject({ tables: expect.stringMatching(/^warning/) })
    expect(faultsOf(await other.check(5))).toMatchObject({
      sources: expect.stringContaining('ERR_BACKEND_DENIED'),
    })
    expect(writes.to).toBe('old')
  })

  it('finds a target that overwrites what it should not', async () => {
    class Careless extends MemoryDriver {
      override put(...[key, body, { ifNoneMatch: _, ...options }]: Parameters<MemoryDriver['put']>) {
        return super.put(key, body, options)
      }
    }
    const { check } = await site({ backends: { old: new MemoryDriver(), new: new Careless() } })
    expect(faultsOf(await check(1))).toEqual({ target: expect.stringContaining('told not to overwrite') })
  })

  it('says that nobody reaps', async () => {
    const { writes, storage, dataSource, check } = await site()
    await fill(storage, dataSource, 2)
    writes.to = 'new'
    await migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    const parcel = await dataSource.getRepository(Parcel).findOneByOrFail({ id: 1 })
    await dataSource.getRepository(Parcel).remove(parcel)
    expect(faultsOf(await check(5))).toEqual({})
    await dataSource.query(
      `UPDATE file_ledger SET expires_at = expires_at - 7200000, updated_at = updated_at - 7200000 WHERE state = 'delete'`,
    )
    expect(faultsOf(await check(5))).toEqual({ reaper: expect.stringMatching(/^failed: 1 file to delete/) })
    await dataSource.query(`UPDATE file_ledger SET state = 'dead' WHERE state = 'delete'`)
    expect(faultsOf(await check(5))).toEqual({ reaper: expect.stringContaining('ledger retry') })
  })

  it('refuses what it does not know', async () => {
    const { dataSource } = await site()
    const check = (more: object) => checkPhase({ dataSource, phase: 1, to: 'new', ...more })
    await expect(check({ to: 'moon' })).rejects.toMatchObject({ code: 'ERR_BACKEND_UNKNOWN' })
    await expect(check({ from: 'moon' })).rejects.toMatchObject({ code: 'ERR_BACKEND_UNKNOWN' })
    await expect(check({ from: 'new' })).rejects.toMatchObject({ code: 'ERR_CONFIG' })
    await expect(check({ phase: 6 })).rejects.toMatchObject({ code: 'ERR_CONFIG' })
    await expect(check({ entity: 'Nothing' })).rejects.toMatchObject({ code: 'ERR_CONFIG' })
    await expect(check({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
  })
})
