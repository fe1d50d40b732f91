import { setTimeout as sleep } from 'node:timers/promises'
import { DataSource, type DataSourceOptions, type QueryRunner } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { execute } from './execute.js'
import type { LedgerConnection, Run } from './ledger-connection.js'
import type { Statement } from './ledger-sql.js'
import { withNamedLock } from './named-lock.js'
import { OneByOne } from './one-by-one.js'

const POOL_SIZE = 3
// In milliseconds. An upload rather fails than waits for ever.
const CONNECT_TIMEOUT = 5000
const QUERY_TIMEOUT = 10_000
/** mysql2 bounds neither the wait for a connection nor a statement. */
const DEADLINE = 20_000
const MAX_DEADLOCK_PAUSE = 50
const TRIES = 5

/**
 * A small pool of its own. A second connection from the application's pool would deadlock: all of that pool may
 * be held by transactions that wait for this very statement.
 */
export class PoolConnection implements LedgerConnection {
  readonly #dataSource: DataSource
  readonly #waiting = new OneByOne()

  private constructor(dataSource: DataSource) {
    this.#dataSource = dataSource
  }

  static async open(options: DataSourceOptions): Promise<PoolConnection> {
    const dataSource = new DataSource(poolOptions(options))
    await dataSource.initialize()
    return new PoolConnection(dataSource)
  }

  async run(statement: Statement): Promise<number> {
    const { hit } = await inTime(this.#connected(runner => execute(runner, statement)))
    return hit
  }

  async read(statement: Statement): Promise<readonly Record<string, unknown>[]> {
    const { rows } = await inTime(this.#connected(runner => execute(runner, statement)))
    return rows
  }

  async together<T>(work: (run: Run) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await inTime(this.#connected(runner => inTransaction(runner, work)))
      } catch (error) {
        if (attempt === TRIES || !isDeadlock(error)) throw error
        await sleep(Math.random() * MAX_DEADLOCK_PAUSE * attempt)
      }
    }
  }

  alone<T>(lock: string, work: (run: Run) => Promise<T>): Promise<T> {
    const locked = (runner: QueryRunner) =>
      withNamedLock(runner, this.#dataSource.options.type, lock, () =>
        work(statement => execute(runner, statement)),
      )
    return inTime(this.#waiting.run(lock, () => this.#connected(locked)))
  }

  async #connected<T>(work: (runner: QueryRunner) => Promise<T>): Promise<T> {
    const runner = this.#dataSource.createQueryRunner()
    try {
      return await work(runner)
    } finally {
      await runner.release()
    }
  }

  assertCanStage(): void {}

  async close(): Promise<void> {
    if (this.#dataSource.isInitialized) await this.#dataSource.destroy()
  }
}

async function inTransaction<T>(runner: QueryRunner, work: (run: Run) => Promise<T>): Promise<T> {
  try {
    await runner.startTransaction('READ COMMITTED')
    const result = await work(statement => execute(runner, statement))
    await runner.commitTransaction()
    return result
  } catch (error) {
    // The connection may be broken, and then nothing is left to be rolled back.
    if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => {})
    throw error
  }
}

/** The same database, and nothing else of the application: no entities, hooks, migrations or cache. */
function poolOptions(options: DataSourceOptions): DataSourceOptions {
  const { replication, extra, ...shared } = options as DataSourceOptions & {
    replication?: { master: object }
    extra?: object
  }
  return {
    ...shared,
    // The ledger is written, so a replica is of no use to it.
    ...replication?.master,
    entities: [],
    subscribers: [],
    migrations: [],
    synchronize: false,
    migrationsRun: false,
    dropSchema: false,
    cache: false,
    poolSize: POOL_SIZE,
    ...bounds(options.type),
    extra: { ...extra, ...pool(options.type) },
  } as DataSourceOptions
}

function bounds(type: string): object {
  return type === 'postgres' ? { connectTimeoutMS: CONNECT_TIMEOUT } : { connectTimeout: CONNECT_TIMEOUT }
}

// `extra` wins over TypeORM's own options, so an application's pool settings there would come along.
function pool(type: string): object {
  return type === 'postgres'
    ? { max: POOL_SIZE, min: 0, connectionTimeoutMillis: CONNECT_TIMEOUT, query_timeout: QUERY_TIMEOUT }
    : { connectionLimit: POOL_SIZE, maxIdle: POOL_SIZE, connectTimeout: CONNECT_TIMEOUT }
}

/** @throws ERR_LEDGER_BUSY */
async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(busy()), DEADLINE)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Deadlocks (40P01; 1213) and waits for a lock that took too long (55P03; 1205) pass. */
function isDeadlock(error: unknown): boolean {
  const { driverError } = error as { driverError?: { code?: unknown; errno?: unknown } }
  const { code, errno } = driverError ?? {}
  return code === '40P01' || code === '55P03' || errno === 1213 || errno === 1205
}

function busy(): StorageError {
  return new StorageError(
    'ERR_LEDGER_BUSY',
    `The database of the file ledger did not answer within ${DEADLINE / 1000} seconds.`,
  )
}
