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
  const read = async (some: typeof ids, lock: string) =>
    table.readAll((await execute(runner, table.some(some, lock))).rows)
  const locked = await read(ids, rowLocks ? ' FOR UPDATE SKIP LOCKED' : '')
  for (const { id, texts: held } of locked) texts.set(JSON.stringify(id), held[0] ?? null)
  if (!rowLocks || locked.length === ids.length) return texts
  // A row that is there and not among the locked ones is somebody's just now.
  const mine = new Set(locked.map(({ id }) => JSON.stringify(id)))
  const others = ids.filter(id => !mine.has(JSON.stringify(id)))
  for (const { id } of await read(others, '')) texts.set(JSON.stringify(id), BUSY)
  return texts
}
