import {
  Column,
  type DataSource,
  DeleteDateColumn,
  Entity,
  type EntityManager,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  type Relation,
} from 'typeorm'
import { expect, it } from 'vitest'
import { StorageError } from '../../src/core/errors.js'
import type { StoredFile } from '../../src/core/stored-file.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { FileColumn, reapOnce } from '../../src/typeorm/index.js'
import { type FreshOptions, type House, house, memoryStorage, upload } from './databases.js'
import { describeOnSqliteFirst } from './on-databases.js'

const RULES = { folder: 'docs' }

@Entity()
class Shelf {
  @PrimaryColumn({ type: 'int' })
  id!: number

  @OneToMany(
    () => Doc,
    doc => doc.shelf,
    { cascade: true },
  )
  docs!: Relation<Doc>[]
}

@Entity()
class Doc {
  @PrimaryColumn({ type: 'int' })
  id!: number

  @Column({ type: 'int', default: 0 })
  count!: number

  @DeleteDateColumn()
  deletedAt!: Date | null

  @ManyToOne(
    () => Shelf,
    shelf => shelf.docs,
    { orphanedRowAction: 'delete', onDelete: 'CASCADE', nullable: true },
  )
  shelf!: Relation<Shelf> | null

  @FileColumn(RULES)
  file!: StoredFile | null
}

interface Scene extends House {
  readonly driver: WatchedDriver
  readonly shelf: Shelf
  readonly doc: Doc
  readonly next: StoredFile
}

/** One row of the table: what is done to a row with a file, and how many files nobody can know of afterwards. */
interface Operation {
  readonly run: (scene: Scene) => Promise<unknown>
  /** The documented exceptions: files whose row is gone, and that only `reconcile` finds. */
  readonly orphans?: number
}

const docs = ({ dataSource }: { dataSource: DataSource }) => dataSource.getRepository(Doc)
const shelves = ({ dataSource }: { dataSource: DataSource }) => dataSource.getRepository(Shelf)
const silent = { listeners: false }

const OPERATIONS: Record<string, Operation> = {
  'save(new)': { run: scene => docs(scene).save({ id: 2, file: scene.next }) },
  'save(changed)': { run: scene => docs(scene).save(Object.assign(scene.doc, { file: scene.next })) },
  'save(untouched)': { run: scene => docs(scene).save(scene.doc) },
  'save(plain object)': { run: scene => docs(scene).save({ id: 1, file: scene.next }) },
  'save(…, { listeners: false }) of a new row': {
    run: scene => docs(scene).save({ id: 2, file: scene.next }, silent),
  },
  'save(…, { listeners: false }) over a row': {
    run: scene => docs(scene).save({ id: 1, file: scene.next }, silent),
    orphans: 1,
  },
  'save(…, { transaction: false })': {
    run: scene => docs(scene).save({ id: 1, file: scene.next }, { transaction: false }),
  },
  'insert()': { run: scene => docs(scene).insert({ id: 2, file: scene.next }) },
  'insert() by query builder': { run: scene => insertQuery(scene).execute() },
  'insert() by query builder without hooks': {
    run: scene => insertQuery(scene).callListeners(false).execute(),
  },
  'upsert() of a new row': { run: scene => docs(scene).upsert({ id: 2, file: scene.next }, ['id']) },
  'upsert() over a row': { run: scene => docs(scene).upsert({ id: 1, file: scene.next }, ['id']) },
  'update() of the file': { run: scene => docs(scene).update(1, { file: scene.next }) },
  'update() of another column': { run: scene => docs(scene).update(1, { count: 2 }) },
  'increment()': { run: scene => docs(scene).increment({ id: 1 }, 'count', 1) },
  'update() by query builder without hooks': {
    run: scene =>
      docs(scene)
        .createQueryBuilder()
        .update()
        .set({ file: scene.next })
        .whereInIds([1])
        .callListeners(false)
        .execute(),
    orphans: 1,
  },
  'delete()': { run: scene => docs(scene).delete(1), orphans: 1 },
  'delete() by query builder': {
    run: scene => docs(scene).createQueryBuilder().delete().where('id = 1').execute(),
    orphans: 1,
  },
  'remove(entity)': { run: scene => docs(scene).remove(scene.doc) },
  'remove(instance with the id alone)': { run: scene => docs(scene).remove(docs(scene).create({ id: 1 })) },
  'softRemove() and recover()': {
    run: async scene => docs(scene).recover(await docs(scene).softRemove(scene.doc)),
  },
  'softRemove() and remove()': {
    run: async scene => docs(scene).remove(await docs(scene).softRemove(scene.doc)),
  },
  'softDelete() and restore()': {
    run: async scene => {
      await docs(scene).softDelete(1)
      await docs(scene).restore(1)
    },
  },
  'clear()': { run: scene => docs(scene).clear(), orphans: 1 },
  'a cascaded insert': {
    run: scene => shelves(scene).save({ id: 2, docs: [{ id: 2, file: scene.next }] }),
  },
  'a cascaded update': {
    run: scene => shelves(scene).save({ id: 1, docs: [{ id: 1, file: scene.next }] }),
  },
  'orphanedRowAction: delete': { run: scene => shelves(scene).save({ id: 1, docs: [] }) },
  'ON DELETE CASCADE of the database': { run: scene => shelves(scene).remove(scene.shelf), orphans: 1 },
  'preload() and save()': {
    run: async scene => {
      const doc = await docs(scene).preload({ id: 1, file: scene.next })
      await docs(scene).save(doc!)
    },
  },
  'create() and save()': { run: scene => docs(scene).save(docs(scene).create({ id: 2, file: scene.next })) },
  'merge() and save()': {
    run: scene => docs(scene).save(docs(scene).merge(scene.doc, { file: scene.next })),
  },
  'save(null)': { run: scene => docs(scene).save({ id: 1, file: null }) },
  'an SQL error that is swallowed inside of a transaction': {
    run: scene =>
      scene.dataSource.transaction(async manager => {
        await manager.save(Doc, { id: 1, file: scene.next })
        await manager.query('SELECT nothing').catch(() => {})
      }),
  },
  'a rollback': {
    run: scene =>
      scene.dataSource
        .transaction(async manager => {
          await manager.save(Doc, { id: 1, file: scene.next })
          throw new Error('no')
        })
        .catch(() => {}),
  },
  'a transaction whose connection is cut off': {
    run: scene =>
      scene.dataSource
        .transaction(async manager => {
          await manager.save(Doc, { id: 1, file: scene.next })
          await cutOff(manager, scene.dataSource)
        })
        .catch(() => {}),
  },
}

describeOnSqliteFirst('no dangling row and no orphan after', fresh => {
  it.each(Object.entries(OPERATIONS))('%s', async (_, { run, orphans = 0 }) => {
    const scene = await setUp(fresh)
    scene.driver.freeze()
    const isRefused = await refuses(() => run(scene))
    // No hook has touched the storage.
    expect(scene.driver.calls).toEqual([])
    scene.driver.thaw()
    await forgetLeases(scene)
    await reapOnce(scene.storage)
    const { dangling, unknown } = await compare(scene)
    expect(dangling).toEqual([])
    expect(unknown).toHaveLength(isRefused ? 0 : orphans)
  })
})

/** A memory that notes every call while it is frozen. */
class WatchedDriver {
  readonly memory = new MemoryDriver()
  readonly calls: string[] = []
  readonly driver: MemoryDriver
  #frozen = false

  constructor() {
    this.driver = new Proxy(this.memory, {
      get: (memory, name) => {
        const value: unknown = Reflect.get(memory, name, memory)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          if (this.#frozen) this.calls.push(String(name))
          return Reflect.apply(value, memory, args)
        }
      },
    })
  }

  freeze(): void {
    this.#frozen = true
  }

  thaw(): void {
    this.#frozen = false
  }
}

async function setUp(fresh: FreshOptions): Promise<Scene> {
  const driver = new WatchedDriver()
  const home = await house(fresh, [Shelf, Doc], {
    storage: memoryStorage({ memory: driver.driver }),
    poolErrorHandler: () => {},
  } as object)
  await shelves(home).save({ id: 1, docs: [{ id: 1, file: await upload(home, RULES) }] })
  const shelf = await shelves(home).findOneByOrFail({ id: 1 })
  const doc = await docs(home).findOneByOrFail({ id: 1 })
  return { ...home, driver, shelf, doc, next: await upload(home, RULES) }
}

function insertQuery(scene: Scene) {
  return docs(scene).createQueryBuilder().insert().values({ id: 2, file: scene.next })
}

/** Ends the connection of a transaction from another one. SQLite has none; there it is an ordinary rollback. */
async function cutOff(manager: EntityManager, { options, manager: outside }: DataSource): Promise<void> {
  if (options.type === 'postgres') {
    const [{ id }] = await manager.query('SELECT pg_backend_pid() AS id')
    await outside.query(`SELECT pg_terminate_backend(${id})`)
  } else if (options.type === 'mariadb') {
    const [{ id }] = await manager.query('SELECT CONNECTION_ID() AS id')
    await outside.query(`KILL ${id}`)
  }
  // The pool takes a connection back that does not know yet that it is dead.
  await manager.query('SELECT 1')
  throw new Error('cut off')
}

/** Whether a write was refused because nobody could know which files it releases. */
async function refuses(run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run()
    return false
  } catch (error) {
    if (StorageError.is(error, 'ERR_BULK_WRITE')) return true
    throw error
  }
}

/** As if the lease of every file that waits were over. */
async function forgetLeases({ dataSource }: Scene): Promise<void> {
  await dataSource.query(`UPDATE file_ledger SET expires_at = 1 WHERE state = 'pending'`)
}

async function compare(scene: Scene): Promise<{ dangling: string[]; unknown: string[] }> {
  const rows = await docs(scene).find({ withDeleted: true })
  const held = rows.flatMap(({ file }) => (file ? [`media/acme/${file.key}`] : []))
  const stored: string[] = []
  for await (const { key } of scene.driver.memory.list('')) stored.push(key)
  return {
    dangling: held.filter(key => !stored.includes(key)),
    unknown: stored.filter(key => !held.includes(key)),
  }
}
