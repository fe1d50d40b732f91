import type { Statement } from './ledger-sql.js'

/** The ledger's way to its database, apart from the application's transactions. */
export interface LedgerConnection {
  /** Runs a statement on its own, and returns when it is durable: how many lines it hit. */
  run(statement: Statement): Promise<number>
  /** @throws ERR_STAGE_IN_TRANSACTION where a new line would share the fate of an open transaction */
  assertCanStage(): void
  close(): Promise<void>
}
