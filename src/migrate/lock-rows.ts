import type { QueryRunner } from 'typeorm'
import { execute } from '../typeorm/execute.js'
import type { OneColumn } from './one-column.js'

/** Stands for the text of a row whose lock somebody else holds. */
export const BUSY = Symbol('busy')

/** The texts that rows hold, by row; null where a row is gone or holds nothing. Locked until the end of the transaction. */
export async function lockRows(
  runner: QueryRunner,
  ids: readonly (readonly string[])[],
  { table, rowLocks }: Pick<OneColumn, 'table' | 'rowLocks'>,
): Promise<Map<string, string | null | typeof BUSY>> {
  const texts = new Map<string, string | null | typeof BUSY>(ids.map(id => [JSON.stringify(id), null]))
  if (ids.length === 0) return texts
  const read = async (lock: string) => table.readAll((await execute(runner, table.some(ids, lock))).rows)
  const present = await read('')
  // A row that is there and not among the locked ones is somebody's just now.
  for (const { id } of present) texts.set(JSON.stringify(id), BUSY)
  const locked = rowLocks ? await read(' FOR UPDATE SKIP LOCKED') : present
  for (const { id, texts: held } of locked) texts.set(JSON.stringify(id), held[0] ?? null)
  return texts
}
