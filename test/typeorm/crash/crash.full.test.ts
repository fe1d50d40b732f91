import { randomInt, randomUUID } from 'node:crypto'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { expect, it } from 'vitest'
import { createStorage } from '../../../src/core/storage.js'
import { LocalDriver } from '../../../src/drivers/local/index.js'
import { reapOnce, reconcile, withFiles } from '../../../src/typeorm/index.js'
import { describeWithMariadb, freshMariadb } from '../../support/mariadb.js'
import { describeWithPostgres, freshDatabase } from '../../support/postgres.js'
import { tempDir } from '../../support/temp-dir.js'
import { type Audit, audit, connectionsEnded } from './audit.js'
import { FAULT_POINTS, NAIVE_FAULT_POINTS } from './fault-points.mjs'
import { naivePageSchema, pageSchema } from './pages.mjs'
import { crashRounds, type RoundsReport } from './rounds.js'

// The processes of this fuzz run the build: `npm run build` first, where one test is started alone.

const MINUTES = 60_000
const LEASE = 1
const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 60)
const CONTROL_ROUNDS = 10
/** CRASH_SEED repeats the schedule of a run; what the processes meet in it is up to the machine. */
const SEED = Number(process.env.CRASH_SEED ?? randomInt(2 ** 32))

describeWithPostgres('processes that are killed again and again on PostgreSQL', () =>
  suite(async () => ({ type: 'postgres', url: (await freshDatabase()).url })),
)
describeWithMariadb('processes that are killed again and again on MariaDB', () =>
  suite(async () => ({ type: 'mariadb', url: (await freshMariadb()).url })),
)

function suite(fresh: () => Promise<DataSourceOptions>): void {
  it(
    'leave no row without its file, and no file without its row',
    async () => {
      const database = await fresh()
      const [root, secret] = [tempDir(), randomUUID()]
      const storage = createStorage({ secret, backends: { local: new LocalDriver({ root }) } })
      const library = withFiles(storage, new DataSource({ ...database, entities: [pageSchema] }), {
        lease: LEASE,
      })
      await library.initialize()
      await library.synchronize()
      await library.destroy()
      const plain = await connect(database)

      const orders = { database, root, secret, lease: LEASE, isNaive: false }
      const report = await crashRounds({
        orders,
        seed: SEED,
        rounds: ROUNDS,
        points: FAULT_POINTS,
        between: async () => expect((await audit(plain, root)).dangling).toEqual([]),
      })
      await connectionsEnded(plain)
      print(database.type, report, await audit(plain, root))
      expect(report.broken).toEqual([])

      await library.initialize()
      // Once for what is due, once more for the keys of lost uploads.
      for (let pass = 0; pass < 2; pass++) {
        await library.query('UPDATE file_ledger SET expires_at = 1 WHERE expires_at IS NOT NULL')
        await reapOnce(storage)
      }
      const end = await audit(plain, root)
      print(database.type, undefined, end)
      const lines = await library.query("SELECT * FROM file_ledger WHERE state <> 'attached'")
      const about = JSON.stringify({ orphans: await linesOf(library, end.orphans), lines })
      expect(end, about).toMatchObject({ dangling: [], orphans: [], shared: [] })
      expect(end.rows).toBeGreaterThan(0)
      expect((await reconcile({ dataSource: library, grace: 0, check: 'bytes' })).findings).toEqual([])
      expect(await library.query("SELECT state FROM file_ledger WHERE state <> 'attached'")).toEqual([])
      // That nothing was found says something only where everything was tried.
      expect(FAULT_POINTS.filter(point => !report.hit.has(point))).toEqual([])
      await library.destroy()
      await plain.destroy()
    },
    10 * MINUTES,
  )

  it(
    'leave both, where hooks delete the old file on commit and the new one on rollback',
    async () => {
      const database = await fresh()
      const root = tempDir()
      const schema = await connect({ ...database, entities: [naivePageSchema] } as DataSourceOptions)
      await schema.synchronize()
      await schema.destroy()
      const plain = await connect(database)

      const orders = { database, root, secret: randomUUID(), lease: LEASE, isNaive: true }
      const dangling = new Set<string>()
      const report = await crashRounds({
        orders,
        seed: SEED,
        rounds: CONTROL_ROUNDS,
        points: NAIVE_FAULT_POINTS,
        between: async () => {
          // A later operation may replace such a file, so the end alone would not tell.
          for (const key of (await audit(plain, root)).dangling) dangling.add(key)
        },
      })
      await connectionsEnded(plain)
      const end = await audit(plain, root)
      print(`${database.type}, naive hooks`, report, { ...end, dangling: [...dangling] })
      expect(report.broken).toEqual([])
      expect(end.orphans.length).toBeGreaterThan(0)
      expect(dangling.size).toBeGreaterThan(0)
      await plain.destroy()
    },
    5 * MINUTES,
  )
}

/** What the ledger says of objects, for whoever looks for the reason. */
async function linesOf(dataSource: DataSource, keys: readonly string[]): Promise<unknown[]> {
  const lines: { object_key: string }[] = await dataSource.query('SELECT * FROM file_ledger')
  return keys.map(key => lines.find(line => line.object_key.endsWith(key)) ?? `no line of ${key}`)
}

function connect(options: DataSourceOptions): Promise<DataSource> {
  return new DataSource({ ...options, poolSize: 1 } as DataSourceOptions).initialize()
}

function print(
  name: string,
  report: RoundsReport | undefined,
  { dangling, orphans, ...counts }: Audit,
): void {
  const { broken = [], ...said } = report ?? {}
  const lines = Object.entries(said).map(([key, value]) => {
    if (!(value instanceof Map)) return `  ${key}: ${value}`
    const total = [...value.values()].reduce((sum, each) => sum + each, 0)
    return `  ${key}: ${total} (${[...value].map(([what, count]) => `${what} ${count}`).join(', ')})`
  })
  const found = `rows ${counts.rows}, objects ${counts.objects}, dangling ${dangling.length}, orphans ${orphans.length}`
  console.log([`${name}, CRASH_SEED=${SEED}`, ...lines, `  ${found}`, ...broken.slice(0, 5)].join('\n'))
}
