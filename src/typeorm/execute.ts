import type { QueryRunner } from 'typeorm'
import { StorageError } from '../core/errors.js'
import type { Statement } from './ledger-sql.js'

/** What a statement did. */
export interface Outcome {
  /** How many lines it hit. */
  readonly hit: number
  /** What it returned, where it asked for that. */
  readonly rows: readonly Record<string, unknown>[]
}

/**
 * Runs a statement of the ledger.
 *
 * @throws ERR_CONFIG when the table is missing, and TypeORM's errors
 */
export async function execute(runner: QueryRunner, statement: Statement): Promise<Outcome> {
  try {
    const { affected, records } = await runner.query(statement.sql, [...statement.parameters], true)
    return { hit: affected ?? 0, rows: records }
  } catch (cause) {
    throw isMissingTable(cause) ? missingTable(cause) : cause
  }
}

function isMissingTable(error: unknown): boolean {
  // TypeORM 0.3 lets better-sqlite3's own error through.
  const { driverError = error } = error as { driverError?: unknown }
  const { code, errno, message } = driverError as Record<string, unknown>
  return code === '42P01' || errno === 1146 || /no such table/i.test(String(message ?? ''))
}

function missingTable(cause: unknown): StorageError {
  return new StorageError(
    'ERR_CONFIG',
    'The table of the file ledger is missing. Create it with a migration (npx typeorm migration:generate sees it), or with synchronize in development.',
    { cause },
  )
}
