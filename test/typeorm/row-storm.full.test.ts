import { setTimeout as sleep } from 'node:timers/promises'
import { Entity, type EntityManager, PrimaryColumn } from 'typeorm'
import { expect, it } from 'vitest'
import type { StoredFile } from '../../src/core/stored-file.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { FileColumn, FilesColumn, filesOf, reapOnce, reconcile } from '../../src/typeorm/index.js'
import { house, ledgerOf, memoryStorage, upload } from './databases.js'
import { describeOnDatabases } from './on-databases.js'

const RULES = { folder: 'things' }

@Entity()
class Thing {
  @PrimaryColumn({ type: 'int' })
  id!: number

  @FileColumn(RULES)
  file!: StoredFile | null

  @FilesColumn(RULES)
  photos!: readonly StoredFile[] | null
}

// Few rows, so that everybody is after the same ones.
const ROWS = 8
// In milliseconds.
const DURATION = 15_000
const LEASE = 3_000

const oneOf = (count: number) => Math.floor(Math.random() * count)

/** Everything that an application does to its rows. */
const OPERATIONS: readonly ((
  manager: EntityManager,
  stored: () => Promise<StoredFile>,
) => Promise<unknown>)[] = [
  async (manager, stored) => manager.save(Thing, { id: oneOf(ROWS), file: await stored() }),
  async (manager, stored) => manager.insert(Thing, { id: oneOf(ROWS), file: await stored() }),
  async (manager, stored) =>
    manager.upsert(
      Thing,
      [
        { id: 0, file: await stored() },
        { id: 1 + oneOf(ROWS - 1), file: await stored() },
      ],
      ['id'],
    ),
  async manager => {
    const thing = await manager.findOneBy(Thing, { id: oneOf(ROWS) })
    return thing && manager.upsert(Thing, { id: oneOf(ROWS), file: thing.file }, ['id'])
  },
  async (manager, stored) => {
    const thing = await manager.findOneBy(Thing, { id: oneOf(ROWS) })
    if (thing === null) return
    thing.photos = [...(thing.photos ?? []).slice(oneOf(2)).reverse(), await stored()]
    await manager.save(thing)
  },
  async manager => {
    const [one, two] = await manager.find(Thing, { take: 2 })
    if (one === undefined || two === undefined) return
    const { file } = one
    await manager.save([Object.assign(one, { file: two.file }), Object.assign(two, { file })])
  },
  async manager => {
    const thing = await manager.findOneBy(Thing, { id: oneOf(ROWS) })
    return thing && manager.remove(thing)
  },
  async manager => filesOf(manager).delete(Thing, oneOf(ROWS)),
  async (manager, stored) => filesOf(manager).update(Thing, oneOf(ROWS), { file: await stored() }),
]

describeOnDatabases('a storm of writes, beside reapers and reconcile({ fix: "all" })', fresh => {
  it('leaves every row with its bytes, and no bytes without a row', async () => {
    const driver = new MemoryDriver()
    const storage = memoryStorage({ memory: driver })
    const options = { storage, lease: LEASE / 1000, reap: 'after-commit', poolSize: 12 } as const
    const home = await house(fresh, [Thing], options)
    const { dataSource } = home
    if (dataSource.options.type !== 'postgres' && dataSource.options.type !== 'mariadb') return // one connection
    const end = performance.now() + DURATION
    let written = 0
    const operation = (manager: EntityManager) =>
      OPERATIONS[oneOf(OPERATIONS.length)]?.(manager, () => upload(home, RULES))
    const nested = (manager: EntityManager, depth: number): Promise<void> =>
      manager.transaction(async inner => {
        await operation(inner)
        // A savepoint that is rolled back leaves the rest.
        if (depth > 1) await nested(inner, depth - 1).catch(ignoreUndone)
        if (oneOf(3) === 0) throw new Undone()
      })
    const write = async () => {
      while (performance.now() < end) {
        const work = oneOf(3) === 0 ? nested(dataSource.manager, 3) : operation(dataSource.manager)
        await Promise.resolve(work).then(() => written++, ignoreRefused)
      }
    }
    const repeat = async (work: () => Promise<unknown>) => {
      while (performance.now() < end) await work()
    }
    await Promise.all([
      ...Array.from({ length: 8 }, write),
      repeat(() => reconcile({ dataSource, fix: 'all', grace: LEASE / 1000 + 1 })),
      repeat(() => reapOnce(storage).then(() => sleep(20))),
    ])
    await sleep(2 * LEASE)
    await reapOnce(storage)

    const rows = await dataSource.getRepository(Thing).find()
    const held = rows.flatMap(({ file, photos }) => [...(file ? [file] : []), ...(photos ?? [])])
    const keys = held.map(({ key }) => `media/acme/${key}`).sort()
    const attached = (await ledgerOf(dataSource)).filter(({ state }) => state === 'attached')
    const objects: string[] = []
    for await (const { key } of driver.list('')) objects.push(key)
    expect(written).toBeGreaterThan(50)
    expect(new Set(keys).size).toBe(keys.length)
    expect(objects.sort()).toEqual(keys)
    expect(attached.map(({ object_key }) => object_key).sort()).toEqual(keys)
  }, 120_000)
})

class Undone extends Error {}

function ignoreUndone(error: unknown): void {
  if (!(error instanceof Undone)) throw error
}

/** What a crowd after the same rows is refused by: stale files, taken keys, deadlocks, serialization. */
function ignoreRefused(error: unknown): void {
  const { code } = error as { code?: unknown }
  const known = ['ERR_FILE_STALE', '23505', '40001', '40P01', '25P02', 'ER_DUP_ENTRY', 'ER_LOCK_DEADLOCK']
  if (error instanceof Undone || known.includes(String(code))) return
  throw error
}
