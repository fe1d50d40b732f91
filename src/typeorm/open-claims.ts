import { setImmediate } from 'node:timers/promises'
import type { QueryRunner } from 'typeorm'
import type { Dialect } from './dialect.js'
import { execute } from './execute.js'
import type { LineKey } from './ledger-sql.js'
import type { LedgerStatements } from './ledger-statements.js'
import { type Rollbacks, rolledBack } from './rollbacks.js'

/** A claim whose row is not written yet. */
export interface OpenClaim {
  readonly key: LineKey
  /** The text that the statement will write into the column. */
  readonly text: string
}

interface Entry extends OpenClaim {
  readonly inTransaction: boolean
}

/** What is known of a query runner. */
interface Watch {
  readonly open: Set<Entry>
  /** The texts of claims that were rolled back before their statement was sent. */
  readonly lost: Set<string>
  /** Claims on their way. */
  readonly claiming: Set<Promise<unknown>>
}

// On SQLite they would pile up: it has one query runner for all time. A statement comes at once or never.
const MAX_LOST = 1000

/**
 * A claim comes before its row, so it must be given back when the row is not written. TypeORM has no hook for
 * that (`afterQuery` does not tell of failures in all versions and drivers, and nothing tells of a statement that
 * was never sent), so the query runner itself is watched. It also stops the statement of a claim that was rolled
 * back: behind the ROLLBACK it would write a row whose file is nobody's.
 *
 * Nothing is given back where the outcome is unknown, as when the connection broke: the row may be there.
 */
export class OpenClaims {
  readonly #statements: LedgerStatements
  readonly #lease: number
  readonly #rollbacks: Rollbacks
  readonly #watched = new WeakMap<QueryRunner, Watch>()

  /** @param lease in milliseconds, begun anew when a claim is given back */
  constructor(statements: LedgerStatements, lease: number, rollbacks: Rollbacks) {
    this.#statements = statements
    this.#lease = lease
    this.#rollbacks = rollbacks
  }

  /** Runs `claim`, and from then on looks after what it has claimed. @throws ERR_FILE_STALE after a rollback */
  async add(runner: QueryRunner, claim: () => Promise<readonly OpenClaim[]>): Promise<void> {
    const inTransaction = runner.isTransactionActive
    const { open, lost, claiming } = this.#watched.get(runner) ?? this.#watch(runner)
    const stands = this.#rollbacks.watch(runner)
    const running = claim()
    claiming.add(running)
    try {
      const claims = await running
      if (!stands()) throw rolledBack()
      for (const claimed of claims) {
        open.add({ ...claimed, inTransaction })
        lost.delete(claimed.text)
      }
    } finally {
      claiming.delete(running)
    }
  }

  /** To be called after a commit. */
  forgetTransaction(runner: QueryRunner): void {
    const open = this.#watched.get(runner)?.open ?? new Set()
    for (const entry of open) if (entry.inTransaction) open.delete(entry)
  }

  /** To be called before a rollback. */
  awaitRollback(runner: QueryRunner): void {
    if (!this.#watched.has(runner)) this.#watch(runner)
  }

  /** The claims of the transaction share its fate. What is sent from now on comes behind the ROLLBACK. */
  #onRollback(runner: QueryRunner, { open, lost }: Watch): void {
    this.#rollbacks.note(runner)
    for (const { inTransaction, text } of open) if (inTransaction) lost.add(text)
    for (const text of lost) if (lost.size > MAX_LOST) lost.delete(text)
    this.forgetTransaction(runner)
  }

  #watch(runner: QueryRunner): Watch {
    const watch: Watch = { open: new Set(), lost: new Set(), claiming: new Set() }
    this.#watched.set(runner, watch)
    const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>
    const release = runner.release.bind(runner)
    Object.assign(runner, {
      query: async (sql: string, parameters?: unknown, ...rest: unknown[]) => {
        if (sql.startsWith('ROLLBACK')) {
          // SQLite's statements take a moment to be prepared, and a known ROLLBACK would overtake a new one.
          if (!this.#statements.dialect.ownPool) await setImmediate()
          this.#onRollback(runner, watch)
        }
        if (watch.lost.size > 0 && holds(parameters, watch.lost)) throw rolledBack()
        const concerned = watch.open.size === 0 ? [] : take(watch.open, parameters)
        if (concerned.length === 0) return query(sql, parameters, ...rest)
        try {
          return await query(sql, parameters, ...rest)
        } catch (error) {
          if (this.#isUndone(runner, error)) await this.#giveBack(runner, concerned)
          throw error
        }
      },
      release: async () => {
        // A runner that everybody shares is released by anybody at any time; that means nothing.
        if (this.#statements.dialect.ownPool) await this.#giveUnsentBack(runner, watch)
        return release()
      },
    })
    return watch
  }

  /** Whether the failed statement left nothing behind, and our claim is still there. */
  #isUndone(runner: QueryRunner, error: unknown): boolean {
    const { dialect } = this.#statements
    if (!isAnswer(dialect, error)) return false
    return !(runner.isTransactionActive && (dialect.abortsOnError || isDeadlock(error)))
  }

  /** The operation ends without having sent its statement: another hook failed, for example. */
  async #giveUnsentBack(runner: QueryRunner, { open, claiming }: Watch): Promise<void> {
    await Promise.allSettled(claiming)
    const unsent = [...open].filter(({ inTransaction }) => !inTransaction)
    open.clear()
    if (!runner.isReleased) await this.#giveBack(runner, unsent)
  }

  #giveBack(runner: QueryRunner, claims: readonly OpenClaim[]): Promise<void> {
    return this.giveBack(
      runner,
      claims.map(({ key }) => key),
    )
  }

  /** attached → pending, with a fresh lease; never rejects. */
  async giveBack(runner: QueryRunner, keys: readonly LineKey[]): Promise<void> {
    if (keys.length === 0) return
    // What cannot be given back stays attached without a row, which reconcile finds; the caller needs his error.
    await execute(runner, this.#statements.giveBack(keys, this.#lease)).catch(() => {})
  }
}

/** The claims whose text is among the parameters of a statement: it is the one they wait for. */
function take(open: Set<Entry>, parameters: unknown): Entry[] {
  if (!Array.isArray(parameters)) return []
  const concerned = [...open].filter(({ text }) => parameters.includes(text))
  for (const entry of concerned) open.delete(entry)
  return concerned
}

function holds(parameters: unknown, texts: ReadonlySet<unknown>): boolean {
  return Array.isArray(parameters) && parameters.some(parameter => texts.has(parameter))
}

/** Whether the database itself refused the statement; after a broken connection nobody knows its outcome. */
function isAnswer(dialect: Dialect, error: unknown): boolean {
  if (!dialect.ownPool) return true
  const { severity, sqlState } = driverError(error)
  return severity !== undefined || sqlState !== undefined
}

/** InnoDB undoes the whole transaction of a deadlock's victim (error 1213). */
function isDeadlock(error: unknown): boolean {
  return driverError(error).errno === 1213
}

function driverError(error: unknown): Record<string, unknown> {
  return (error as { driverError?: Record<string, unknown> } | null)?.driverError ?? {}
}
