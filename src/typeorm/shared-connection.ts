import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DataSource, EntityManager, QueryRunner } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { execute, type Outcome } from './execute.js'
import type { LedgerConnection, Run } from './ledger-connection.js'
import type { Statement } from './ledger-sql.js'
import { OneByOne } from './one-by-one.js'

// In milliseconds.
const MAX_WAIT = 5000
const PAUSE = 5

interface Scope {
  open: boolean
}

/**
 * The SQLite family has one connection, and TypeORM one query runner for it. So statements of the ledger wait
 * until no transaction is active: inside of a stranger's transaction they would be undone with it.
 */
export class SharedConnection implements LedgerConnection {
  readonly #runner: QueryRunner
  readonly #transactions: TransactionScopes
  readonly #waiting = new OneByOne()

  constructor(dataSource: DataSource, transactions: TransactionScopes) {
    this.#runner = dataSource.createQueryRunner()
    this.#transactions = transactions
  }

  /** @throws ERR_LEDGER_BUSY */
  async run(statement: Statement): Promise<number> {
    return (await this.#execute(statement)).hit
  }

  together<T>(work: (run: Run) => Promise<T>): Promise<T> {
    return work(statement => this.#execute(statement))
  }

  async read(statement: Statement): Promise<readonly Record<string, unknown>[]> {
    const { rows } = await this.#execute(statement)
    return rows
  }

  /** One process has the database, so it is enough to wait for one another here. */
  alone<T>(lock: string, work: (run: Run) => Promise<T>): Promise<T> {
    return this.#waiting.run(lock, () => this.together(work))
  }

  /**
   * A transaction may begin between the look and the statement. Every statement of the ledger can be said twice,
   * so it is repeated until no transaction was around.
   */
  async #execute(statement: Statement): Promise<Outcome> {
    const deadline = performance.now() + MAX_WAIT
    for (;;) {
      while (this.#runner.isTransactionActive) {
        if (performance.now() > deadline) throw busy()
        await sleep(PAUSE)
      }
      const outcome = await execute(this.#runner, statement)
      if (!this.#runner.isTransactionActive) return outcome
    }
  }

  assertCanStage(): void {
    if (!this.#transactions.isInside()) return
    throw new StorageError(
      'ERR_STAGE_IN_TRANSACTION',
      'SQLite has one connection, so a file cannot be stored inside of a transaction: it would be forgotten when that is rolled back. Store the file first, then open the transaction.',
    )
  }

  async close(): Promise<void> {}
}

/** Knows whether the caller runs inside of `dataSource.transaction` or `manager.transaction`. */
export class TransactionScopes {
  readonly #scopes = new AsyncLocalStorage<Scope>()

  /** Marks what runs inside of this manager's transactions. */
  watch(manager: EntityManager): void {
    const original = manager.transaction.bind(manager) as (...args: unknown[]) => Promise<unknown>
    const mark = (arg: unknown) =>
      typeof arg === 'function' ? (inner: EntityManager) => this.#enter(() => arg(inner)) : arg
    const marked = (...args: unknown[]) => original(...args.map(mark))
    Object.assign(manager, { transaction: marked })
  }

  isInside(): boolean {
    return this.#scopes.getStore()?.open === true
  }

  async #enter(work: () => Promise<unknown>): Promise<unknown> {
    // What was started here and goes on after the end is not inside any more.
    const scope: Scope = { open: true }
    try {
      return await this.#scopes.run(scope, work)
    } finally {
      scope.open = false
    }
  }
}

function busy(): StorageError {
  return new StorageError(
    'ERR_LEDGER_BUSY',
    `SQLite has one connection, and a transaction has held it for ${MAX_WAIT / 1000} seconds. Keep transactions short, and store files before they begin.`,
  )
}
