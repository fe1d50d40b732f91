import { expect } from 'vitest'
import type { Driver } from '../../src/core/driver.js'
import type { StoredFile } from '../../src/core/stored-file.js'
import { runWithTenant } from '../../src/core/tenant.js'
import { migrateFiles } from '../../src/migrate/index.js'
import { rulesOf } from '../../src/typeorm/index.js'
import { keysIn } from '../isolation/doors.js'
import { freshDatabase } from '../support/postgres.js'
import { upload } from '../typeorm/databases.js'
import { counted } from './counted.js'
import { linesOf, Parcel, readText, town } from './town.js'

const MIB = 1024 * 1024

/** What is moved: in one piece, in one piece with headers of its own, and in several parts. */
const BODIES = [
  { name: 'note.txt', body: 'a note', type: 'text/plain' },
  { name: 'page.html', body: '<!doctype html><p>'.padEnd(2 * MIB, 'page '), type: 'text/html' },
  { name: 'table.csv', body: 'a;b;c\n'.padEnd(6 * MIB + 17, '1;2;3\n'), type: 'text/csv' },
]

/**
 * Moves the files of two tenants, on PostgreSQL: first those of one of them, then the rest. Bytes, types and stored
 * headers must come through, and everything must lie at the old place still.
 *
 * @returns how often the target was asked to copy by itself
 */
export async function moveAlong(old: Driver, target: Driver): Promise<number> {
  const { driver, calls } = counted(target)
  const fresh = async () => ({ type: 'postgres', url: (await freshDatabase()).url }) as const
  const { storage, dataSource, parcels } = await town(fresh, 0, { old, new: driver })
  for (const tenant of ['acme', 'globex'])
    for (const { name, body } of BODIES) {
      const file = await upload({ storage }, rulesOf(Parcel, 'file'), { tenant, name, body })
      await parcels.save(parcels.create({ file, owner: tenant }))
    }
  const files = async () => (await parcels.find({ order: { id: 'ASC' } })).flatMap(({ file }) => file ?? [])
  const before = await files()
  const headersOf = ({ disk, tenant, ...address }: StoredFile) =>
    runWithTenant(tenant ?? '', async () => {
      const { size, contentType, contentDisposition, cacheControl } = await storage
        .disk(disk)
        .head({ disk, tenant, ...address })
      return { size, contentType, contentDisposition, cacheControl }
    })
  const headers = await Promise.all(before.map(headersOf))
  const keys = before.map(({ tenant, key }) => `media/${tenant}/${key}`).sort()

  expect(await migrateFiles({ dataSource, entity: Parcel, to: 'new', tenant: 'globex' })).toMatchObject({
    ...{ moved: 3, failed: 0 },
  })
  expect(await keysIn(target.list(''))).toEqual(keys.filter(key => key.startsWith('media/globex/')))
  expect((await files()).map(({ backend }) => backend)).toEqual([
    ...Array(3).fill('old'),
    ...Array(3).fill('new'),
  ])

  expect(await migrateFiles({ dataSource, entity: Parcel, to: 'new' })).toMatchObject({ moved: 3, failed: 0 })
  for (const place of [old, target]) expect((await keysIn(place.list(''))).sort()).toEqual(keys)
  const after = await files()
  expect(after.map(({ backend, version: _, ...file }) => ({ ...file, backend }))).toEqual(
    before.map(({ version: _, ...file }) => ({ ...file, backend: 'new' })),
  )
  expect(await Promise.all(after.map(headersOf))).toEqual(headers)
  expect(after.map(({ type }) => type)).toEqual([...BODIES, ...BODIES].map(({ type }) => type))
  for (const [index, file] of after.entries())
    expect((await readText(file)) === BODIES[index % BODIES.length]?.body).toBe(true)
  expect(await linesOf(dataSource)).toEqual({ 'new attached': 6, 'old kept': 6 })
  await dataSource.destroy()
  return calls.get('copyFrom') ?? 0
}
