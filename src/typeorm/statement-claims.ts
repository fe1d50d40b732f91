import { setImmediate } from 'node:timers/promises'
import type { QueryRunner } from 'typeorm'
import { StorageError } from '../core/errors.js'
import type { StoredFile } from '../core/stored-file.js'
import type { Claims } from './claims.js'
import type { ConflictInserts, Sent } from './conflict-inserts.js'
import { isAnswer, isDeadlock } from './database-errors.js'
import type { Dialect } from './dialect.js'
import { fileTextsIn, withoutFileTexts } from './file-text.js'
import type { LineKey } from './ledger-sql.js'
import { OneByOne } from './one-by-one.js'
import { inOwnTransaction } from './own-transaction.js'
import { type Rollbacks, rolledBack } from './rollbacks.js'
import type { SoughtRows } from './sought-rows.js'

/** What a hook knows of a text that a statement is about to write. */
export interface Announcement {
  /** Whether a file must be claimed: not if the row holds it already, or if there is no row. */
  readonly needsClaim: (file: StoredFile) => boolean
}

/** What {@link StatementClaims} works with. */
export interface StatementClaimsContext {
  readonly claims: Claims
  readonly conflicts: ConflictInserts
  readonly dialect: Dialect
  readonly rollbacks: Rollbacks
  readonly sought: SoughtRows
}

/** Sends a statement with the parameters as the database takes them. */
type Send = () => Promise<unknown>

const BEGIN = /^\s*(BEGIN|START\s+TRANSACTION)\b/i
const END = /^\s*(COMMIT|END|ROLLBACK(?!\s+((WORK|TRANSACTION)\s+)?TO\b))\b/i
// On SQLite they would pile up, which has one query runner for all time. It is as many rows as one operation may have.
const MAX_ANNOUNCED = 20_000

/**
 * Claims the files of a statement right before it is sent, on its own connection. No way of TypeORM to write a
 * row passes this by, also none that calls no hooks; so no row gets a file that is not its own.
 *
 * Where no transaction is active, claim and statement get their own: a process that died between them would leave a
 * file that nobody deletes. SQLite has one connection for all, so there the claim is given back when the statement
 * fails. Nothing is given back where the outcome is unknown, as when the connection broke: the row may be there.
 */
export class StatementClaims {
  readonly #claims: Claims
  readonly #conflicts: ConflictInserts
  readonly #dialect: Dialect
  readonly #rollbacks: Rollbacks
  readonly #sought: SoughtRows
  readonly #writing = new OneByOne()
  readonly #watched = new WeakSet<QueryRunner>()
  /** Those in a transaction, also in one that was begun by SQL and of which TypeORM does not know. */
  readonly #inTransaction = new WeakSet<QueryRunner>()
  readonly #announced = new WeakMap<QueryRunner, Map<string, Announcement & { stands: () => boolean }>>()

  constructor(context: StatementClaimsContext) {
    this.#claims = context.claims
    this.#conflicts = context.conflicts
    this.#dialect = context.dialect
    this.#rollbacks = context.rollbacks
    this.#sought = context.sought
  }

  /** To be called by a hook, for a text that its operation writes next. */
  announce(runner: QueryRunner, text: string, announcement: Announcement): void {
    const texts = this.#announced.get(runner) ?? new Map()
    this.#announced.set(runner, texts)
    texts.delete(text)
    texts.set(text, { ...announcement, stands: this.#rollbacks.watch(runner) })
    if (this.#dialect.ownPool) return
    for (const oldest of texts.keys()) if (texts.size > MAX_ANNOUNCED) texts.delete(oldest)
  }

  /** To be called for every new query runner. */
  watch(runner: QueryRunner): void {
    if (this.#watched.has(runner)) return
    this.#watched.add(runner)
    const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>
    Object.assign(runner, {
      query: async (sql: string, parameters?: unknown, ...rest: unknown[]) => {
        if (sql.startsWith('ROLLBACK')) {
          // SQLite's statements take a moment to be prepared, and a known ROLLBACK would overtake a new one.
          if (!this.#dialect.ownPool) await setImmediate()
          this.#rollbacks.note(runner)
        }
        if (BEGIN.test(sql)) this.#inTransaction.add(runner)
        else if (END.test(sql)) this.#inTransaction.delete(runner)
        const send = () => query(sql, withoutFileTexts(parameters), ...rest)
        return this.#send(runner, sql, parameters, send)
      },
    })
  }

  async #send(runner: QueryRunner, sql: string, parameters: unknown, send: Send): Promise<unknown> {
    const insertions = this.#conflicts.in(runner, sql)
    const most = this.#sought.mostHitBy(runner, sql, parameters)
    if (most === undefined && insertions.length === 0 && fileTextsIn(parameters).length === 0) return send()
    const stands = this.#rollbacks.watch(runner)
    return this.#alone(async () => {
      if (!stands()) throw rolledBack()
      const isSilentUpdate = sql.startsWith('UPDATE') && this.#isSilent(runner, parameters)
      const run = async () => (await this.#run(runner, parameters, send)).result
      if (most !== undefined) return hittingAtMost(most, runner, run, writtenAnew)
      if (insertions.length === 0) return isSilentUpdate ? hittingAtMost(1, runner, run, severalRows) : run()
      return this.#conflicts.run(runner, insertions, needsClaim =>
        this.#run(runner, parameters, send, needsClaim),
      )
    })
  }

  /** On SQLite, where no lock keeps a stranger from writing between the looks at a row and its statement. */
  #alone(work: () => Promise<unknown>): Promise<unknown> {
    return this.#dialect.ownPool ? work() : this.#writing.run('', work)
  }

  /** Whether it writes files that no hook has told of: then nobody knows how many rows it hits. */
  #isSilent(runner: QueryRunner, parameters: unknown): boolean {
    const announced = this.#announced.get(runner)
    return fileTextsIn(parameters).some(({ text }) => !announced?.has(text))
  }

  async #run(
    runner: QueryRunner,
    parameters: unknown,
    send: Send,
    needsClaim: Announcement['needsClaim'] = () => true,
  ): Promise<Sent> {
    const claimed = this.#toClaim(runner, parameters).filter(needsClaim)
    if (claimed.length === 0) return { result: await send(), claimed }
    if (!this.#dialect.ownPool || this.#inTransaction.has(runner))
      return { result: await this.#claimFor(runner, claimed, send), claimed }
    const work = async () => {
      await this.#claim(runner, claimed)
      return send()
    }
    return { result: await inOwnTransaction(runner, work, isDeadlock), claimed }
  }

  async #claimFor(runner: QueryRunner, files: readonly StoredFile[], send: Send): Promise<unknown> {
    const keys = await this.#claim(runner, files)
    try {
      return await send()
    } catch (error) {
      if (this.#isUndone(runner, error)) await this.#claims.giveBack(runner, keys)
      throw error
    }
  }

  async #claim(runner: QueryRunner, files: readonly StoredFile[]): Promise<LineKey[]> {
    const stands = this.#rollbacks.watch(runner)
    const keys = await this.#claims.claim(runner, files)
    if (!stands()) throw rolledBack()
    return keys
  }

  /** @throws ERR_FILE_STALE behind a ROLLBACK: the row would not share its fate */
  #toClaim(runner: QueryRunner, parameters: unknown): StoredFile[] {
    return fileTextsIn(parameters).flatMap(({ text, files }) => {
      const announced = this.#announced.get(runner)?.get(text)
      if (announced === undefined) return files
      this.#announced.get(runner)?.delete(text)
      if (!announced.stands()) throw rolledBack()
      return files.filter(announced.needsClaim)
    })
  }

  /** Whether the failed statement left nothing behind, and our claim is still there. */
  #isUndone(runner: QueryRunner, error: unknown): boolean {
    if (!isAnswer(this.#dialect, error)) return false
    return !(runner.isTransactionActive && (this.#dialect.abortsOnError || isDeadlock(error)))
  }
}

/** Undoes a statement that has hit more rows. */
function hittingAtMost(
  most: number,
  runner: QueryRunner,
  write: () => Promise<unknown>,
  problem: () => StorageError,
): Promise<unknown> {
  const work = async () => {
    const result = await write()
    if (Number((result as { affected?: unknown } | undefined)?.affected) > most) throw problem()
    return result
  }
  return inOwnTransaction(runner, work, () => false)
}

/** Each would hold the same file, and the first that goes takes its bytes. */
function severalRows(): StorageError {
  return new StorageError(
    'ERR_BULK_WRITE',
    'A file belongs to one row, and this UPDATE would write it into several. Nothing was changed.',
  )
}

function writtenAnew(): StorageError {
  return new StorageError(
    'ERR_FILE_STALE',
    'Others removed this row and wrote it anew in this moment. Nothing was changed: load the row again.',
  )
}
