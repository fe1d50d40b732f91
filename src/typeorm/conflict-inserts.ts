import type { QueryRunner } from 'typeorm'
import { StorageError } from '../core/errors.js'
import type { StoredFile } from '../core/stored-file.js'
import type { Claims } from './claims.js'
import { type ConflictRow, type Insertion, readConflictRows } from './conflict-rows.js'
import { isDeadlock } from './database-errors.js'
import type { Dialect } from './dialect.js'
import { fateOf } from './fate.js'
import { isAmong } from './file-line.js'
import { inOwnTransaction } from './own-transaction.js'
import type { Release } from './work.js'

/** Sends the statement, and claims those of its files that must be claimed. */
type Work = (needsClaim: (file: StoredFile) => boolean) => Promise<unknown>

const CONFLICTS = /^\s*INSERT\s+(OR\s+)?IGNORE\b|\bON\s+(CONFLICT|DUPLICATE\s+KEY)\b/i
// What is announced and never sent would pile up on SQLite, which has one query runner for all time.
const MAX_ANNOUNCED = 10_000

/**
 * Stands around `upsert`, `orUpdate` and `orIgnore`. Their hooks do not tell which rows exist, so the rows with the
 * entities' keys are read under a lock before the statement, and once more after it. What a row has lost is released;
 * what no row has taken is given back.
 *
 * All of that needs a transaction; where there is none it opens its own.
 */
export class ConflictInserts {
  readonly #claims: Claims
  readonly #dialect: Dialect
  readonly #announced = new WeakMap<QueryRunner, Map<object, Insertion>>()

  constructor(claims: Claims, dialect: Dialect) {
    this.#claims = claims
    this.#dialect = dialect
  }

  /** To be called by the hook before an INSERT. */
  announce(runner: QueryRunner, insertion: Insertion): void {
    const announced = this.#announced.get(runner) ?? new Map()
    this.#announced.set(runner, announced.set(insertion.entity, insertion))
    for (const oldest of announced.keys()) if (announced.size > MAX_ANNOUNCED) announced.delete(oldest)
  }

  /** To be called by the hook after an INSERT. */
  forget(runner: QueryRunner, entity: object): void {
    this.#announced.get(runner)?.delete(entity)
  }

  /** The entities of a statement that may meet rows; empty for any other statement. */
  in(runner: QueryRunner, sql: string): Insertion[] {
    const announced = this.#announced.get(runner)
    if (announced === undefined || announced.size === 0 || !CONFLICTS.test(sql)) return []
    return [...announced.values()].filter(({ metadata }) => sql.includes(`INTO ${tableOf(metadata)}`))
  }

  async run(runner: QueryRunner, insertions: readonly Insertion[], work: Work): Promise<unknown> {
    if (!this.#dialect.ownPool) return this.#run(runner, insertions, work)
    const isOutermost = !runner.isTransactionActive
    const mayRepeat = (error: unknown) => error === RACED || (isOutermost && isDeadlock(error))
    return inOwnTransaction(runner, () => this.#run(runner, insertions, work), mayRepeat)
  }

  async #run(runner: QueryRunner, insertions: readonly Insertion[], work: Work): Promise<unknown> {
    const lock = this.#dialect.ownPool
    const before = await readConflictRows(runner, insertions, lock)
    const held = filesOf(before)
    // The very same text, or the row would point to where the file was before it moved.
    const isOwn = (file: StoredFile) => held.some(own => own.equals(file) && own.backend === file.backend)
    const result = await work(file => !isOwn(file))
    const after = await readConflictRows(runner, insertions, lock)
    for (const [id, { wasMet }] of after) if (wasMet && !before.has(id)) throw RACED
    await this.#claims.release(runner, lostFiles(before, after))
    await this.#giveUnwrittenBack(runner, insertions, held, filesOf(after))
    return result
  }

  /** Of rows that were met and left as they are. */
  async #giveUnwrittenBack(
    runner: QueryRunner,
    insertions: readonly Insertion[],
    held: readonly StoredFile[],
    written: readonly StoredFile[],
  ): Promise<void> {
    for (const insertion of insertions) {
      const unwritten = newFilesOf(insertion).filter(file => !isAmong(file, written) && !isAmong(file, held))
      if (unwritten.length === 0) continue
      // Where no row is found at all, nobody knows: it may have been written under another key.
      const rows = await readConflictRows(runner, [insertion], false)
      if (rows.size > 0) await this.#claims.giveFilesBack(runner, unwritten)
    }
  }
}

function tableOf({ tablePath, dataSource, connection }: Insertion['metadata']): string {
  const { driver } = dataSource ?? connection
  return tablePath
    .split('.')
    .map(part => driver.escape(part))
    .join('.')
}

function filesOf(rows: ReadonlyMap<string, ConflictRow>): StoredFile[] {
  return [...rows.values()].flatMap(({ files }) => [...files.values()].flat())
}

function newFilesOf({ entity, columns }: Insertion): StoredFile[] {
  return columns.flatMap(({ column, transformer }) => transformer.filesOf(column.getEntityValue(entity)))
}

/** The files that rows held before and do not hold any more. */
function lostFiles(
  before: ReadonlyMap<string, ConflictRow>,
  after: ReadonlyMap<string, ConflictRow>,
): Release[] {
  return [...before].flatMap(([id, row]) => {
    const now = after.get(id)
    if (now === undefined) return [] // its keys were changed, so it is not found: reconcile sees to it
    return [...row.files].flatMap(([column, files]) => {
      const kept = now.files.get(column) ?? []
      return files.filter(file => !isAmong(file, kept)).map(file => ({ file, fate: fateOf(column) }))
    })
  })
}

const RACED = new StorageError(
  'ERR_FILE_STALE',
  'Others inserted the same row again and again in this moment. Try it once more.',
)
