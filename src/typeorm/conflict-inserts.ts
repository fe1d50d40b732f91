import type { QueryRunner } from 'typeorm'
import { StorageError } from '../core/errors.js'
import type { StoredFile } from '../core/stored-file.js'
import type { Claims } from './claims.js'
import { type ConflictRow, hasKey, type Insertion, readConflictRows } from './conflict-rows.js'
import { isDeadlock } from './database-errors.js'
import type { Dialect } from './dialect.js'
import { fateOf } from './fate.js'
import { isAmong } from './file-line.js'
import type { FileColumnMetadata } from './file-metadata.js'
import { inOwnTransaction } from './own-transaction.js'
import { tableOf } from './table-of.js'
import type { Release } from './work.js'

/** What came of a statement. */
export interface Sent {
  readonly result: unknown
  /** The files that it claimed. */
  readonly claimed: readonly StoredFile[]
}

/** Sends the statement, and claims those of its files that must be claimed. */
type Work = (needsClaim: (file: StoredFile) => boolean) => Promise<Sent>

const CONFLICTS = /^\s*INSERT\s+(OR\s+)?IGNORE\b|\bON\s+(CONFLICT|DUPLICATE\s+KEY)\b/i
// What is announced and never sent would pile up on SQLite, which has one query runner for all time.
const MAX_ANNOUNCED = 20_000

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
    if (this.#dialect.ownPool) return
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
    const { result, claimed } = await work(await this.#needsClaim(runner, insertions, before))
    const after = await readConflictRows(runner, insertions, lock)
    for (const [id, { wasMet }] of after) if (wasMet && !before.has(id)) throw RACED
    await this.#claims.release(runner, lostFiles(before, after))
    const known = await this.#giveUnwrittenBack(runner, insertions, claimed, after)
    if (known.gone > 0 && rowsOf(result) < insertions.length - known.met) throw RACED
    return result
  }

  /** All but files that only go where they are: into the same column of the one row that their entity meets. */
  async #needsClaim(
    runner: QueryRunner,
    insertions: readonly Insertion[],
    before: ReadonlyMap<string, ConflictRow>,
  ): Promise<(file: StoredFile) => boolean> {
    const held = new Set(filesOf(before).map(placeOf))
    const staying = new Set<string>()
    const moving = new Set<string>()
    for (const insertion of insertions) {
      if (!newFilesOf(insertion).some(file => held.has(placeOf(file)))) continue
      const rows = [...(await readConflictRows(runner, [insertion], false)).values()]
      for (const column of insertion.columns) {
        const own = rows.length === 1 ? (rows[0]?.files.get(column) ?? []).map(placeOf) : []
        for (const place of filesFor(insertion, column).map(placeOf))
          (own.includes(place) ? staying : moving).add(place)
      }
    }
    return file => !staying.has(placeOf(file)) || moving.has(placeOf(file))
  }

  /**
   * Of rows that were met and left as they are.
   *
   * @returns how many entities met one, and how many have no row now. A row that an INSERT ignores is not locked
   *   (PostgreSQL), so others may have deleted it since; or the entity was written under another key, by a trigger.
   */
  async #giveUnwrittenBack(
    runner: QueryRunner,
    insertions: readonly Insertion[],
    claimed: readonly StoredFile[],
    after: ReadonlyMap<string, ConflictRow>,
  ): Promise<{ met: number; gone: number }> {
    const written = new Set(filesOf(after).map(placeOf))
    // Only what this statement claimed: an entity may be left over from an INSERT that failed, and its file saved since.
    const unwritten = claimed.filter(file => !written.has(placeOf(file)))
    let met = 0
    let gone = 0
    for (const insertion of insertions) {
      const own = newFilesOf(insertion).filter(file => isAmong(file, unwritten))
      if (own.length === 0) continue
      const rows = await readConflictRows(runner, [insertion], false)
      if (rows.size > 0) {
        met++
        await this.#claims.giveFilesBack(runner, own)
      } else if (hasKey(insertion)) gone++
    }
    return { met, gone }
  }
}

/** How many rows a statement has written, where its connection tells. */
function rowsOf(result: unknown): number {
  const { affected } = (result ?? {}) as { affected?: unknown }
  return typeof affected === 'number' ? affected : Number.POSITIVE_INFINITY
}

function filesOf(rows: ReadonlyMap<string, ConflictRow>): StoredFile[] {
  return [...rows.values()].flatMap(({ files }) => [...files.values()].flat())
}

function newFilesOf(insertion: Insertion): StoredFile[] {
  return insertion.columns.flatMap(column => filesFor(insertion, column))
}

function filesFor({ entity }: Insertion, { column, transformer }: FileColumnMetadata): readonly StoredFile[] {
  return transformer.filesOf(column.getEntityValue(entity))
}

/** Where its bytes lie, too: the same file elsewhere is another text, that of before it moved. */
function placeOf({ backend, disk, tenant, key }: StoredFile): string {
  return JSON.stringify([backend, disk, tenant, key])
}

/** The files that rows held before, and that none of them holds any more. */
function lostFiles(
  before: ReadonlyMap<string, ConflictRow>,
  after: ReadonlyMap<string, ConflictRow>,
): Release[] {
  const kept = new Set(filesOf(after).map(placeOf))
  return [...before].flatMap(([id, row]) => {
    if (!after.has(id)) return [] // its keys were changed, so it is not found: reconcile sees to it
    return [...row.files].flatMap(([column, files]) =>
      files.filter(file => !kept.has(placeOf(file))).map(file => ({ file, fate: fateOf(column) })),
    )
  })
}

const RACED = new StorageError(
  'ERR_FILE_STALE',
  'Others inserted the same row again and again in this moment. Try it once more.',
)
