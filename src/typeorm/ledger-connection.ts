import type { Outcome } from './execute.js'
import type { Statement } from './ledger-sql.js'

/** Runs one statement of a group. */
export type Run = (statement: Statement) => Promise<Outcome>

/** The ledger's way to its database, apart from the application's transactions. */
export interface LedgerConnection {
  /** Runs a statement on its own, and returns when it is durable: how many lines it hit. */
  run(statement: Statement): Promise<number>
  /** Runs a statement that only reads, outside of every transaction of the application. */
  read(statement: Statement): Promise<readonly Record<string, unknown>[]>
  /**
   * Runs statements that belong together, while nobody else holds the lock of this name: no other process either,
   * where the database has several connections. They are durable when this resolves.
   */
  alone<T>(lock: string, work: (run: Run) => Promise<T>): Promise<T>
  /**
   * Runs statements as one transaction at READ COMMITTED, anew after a deadlock. On SQLite each stands on its own,
   * and is said twice where a stranger's transaction came in between: write them so that this does no harm.
   */
  together<T>(work: (run: Run) => Promise<T>): Promise<T>
  /** @throws ERR_STAGE_IN_TRANSACTION where a new line would share the fate of an open transaction */
  assertCanStage(): void
  close(): Promise<void>
}
