import { createHash } from 'node:crypto'
import type { QueryRunner } from 'typeorm'
import { StorageError } from '../core/errors.js'

/** In seconds. */
const MAX_WAIT = 5

/**
 * Runs work while this connection holds a lock of the whole database server. What the work writes is committed
 * before anybody else gets the lock.
 *
 * @param database TypeORM's word for its type
 * @throws ERR_LEDGER_BUSY
 */
export function withNamedLock<T>(
  runner: QueryRunner,
  database: string,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  return database === 'postgres' ? inTransaction(runner, name, work) : inSession(runner, name, work)
}

/** The lock of a transaction, since a pooler such as PgBouncer may hand the session to somebody else in between. */
async function inTransaction<T>(runner: QueryRunner, name: string, work: () => Promise<T>): Promise<T> {
  await runner.startTransaction()
  try {
    await runner.query("SELECT set_config('lock_timeout', $1, true)", [`${MAX_WAIT}s`])
    await runner.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [name])
    const result = await work()
    await runner.commitTransaction()
    return result
  } catch (error) {
    await runner.rollbackTransaction()
    throw error
  }
}

async function inSession<T>(runner: QueryRunner, name: string, work: () => Promise<T>): Promise<T> {
  // MySQL's limit for a name is 64 characters.
  const lock = createHash('sha256').update(name).digest('hex')
  const [row]: { got: unknown }[] = await runner.query('SELECT GET_LOCK(?, ?) AS got', [lock, MAX_WAIT])
  if (Number(row?.got) !== 1) throw busy()
  try {
    return await work()
  } finally {
    await runner.query('DO RELEASE_LOCK(?)', [lock])
  }
}

function busy(): StorageError {
  return new StorageError('ERR_LEDGER_BUSY', `Others have held a lock of the ledger for ${MAX_WAIT} seconds.`)
}
