import type { DataSource, ObjectLiteral } from 'typeorm'
import { SharedCursor, walkOf } from './cursor.js'
import { CURSOR_TABLE, JOURNAL_TABLE } from './journal-table.js'
import { columnsOf, type OneColumn } from './one-column.js'
import type { MigrateOptions } from './options.js'

/** Which walk is asked for: a run with other options than these is another one. */
export type WalkOptions<E extends ObjectLiteral> = Pick<
  MigrateOptions<E>,
  'dataSource' | 'entity' | 'property' | 'from' | 'to' | 'tenant' | 'where'
>

/**
 * Whether a `migrateFiles` with the same options was left off before its end, so that the next one goes on where it was.
 *
 * @throws ERR_CONFIG, ERR_BACKEND_UNKNOWN, ERR_LEDGER_NOT_READY, and the database's errors
 */
export async function isUnfinished<E extends ObjectLiteral>(options: WalkOptions<E>): Promise<boolean> {
  const columns = columnsOf(options, options.to)
  if (!(await hasTables(options.dataSource))) return false
  for (const column of columns) if (await isLeftOff(column, options)) return true
  return false
}

/** Whether the journal of migrations is there. */
export async function hasTables(dataSource: DataSource): Promise<boolean> {
  const runner = dataSource.createQueryRunner()
  try {
    return (await runner.hasTable(JOURNAL_TABLE)) && (await runner.hasTable(CURSOR_TABLE))
  } finally {
    await runner.release()
  }
}

async function isLeftOff<E extends ObjectLiteral>(of: OneColumn, options: WalkOptions<E>): Promise<boolean> {
  const { transactions, journal, binding, scope } = of
  const { dataSource, sql } = binding
  const walk = walkOf(of, options as WalkOptions<ObjectLiteral>)
  const cursor = new SharedCursor(dataSource, sql.dialect, scope, walk)
  return transactions.run(async runner => {
    const { isDone } = await cursor.lock(runner)
    return !isDone || ((await journal.states(runner)).get('moving') ?? 0) > 0
  })
}
