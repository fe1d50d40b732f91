import type { Dialect } from '../dialect.js'
import { type LedgerSql, type LineKey, type Place, type Statement, whereKeys } from '../ledger-sql.js'
import type { LedgerState } from '../ledger-table.js'

/** The states whose lines become due, each with what it becomes when a reaper takes the line up. */
export const TAKEN_AS = {
  delete: 'delete',
  expired: 'expired',
  kept: 'delete',
  pending: 'expired',
  reaped: 'reaped',
} as const satisfies Partial<Record<LedgerState, LedgerState>>

/** A state whose lines become due. */
export type DueState = keyof typeof TAKEN_AS

export const DUE_STATES = Object.keys(TAKEN_AS) as readonly DueState[]

/** What became of a try that failed. */
export interface FailedTry {
  readonly error: string
  /** Milliseconds until the next one. */
  readonly pause: number
  readonly isLast: boolean
}

/**
 * The statements of the reaper. A line that is taken up carries the reaper's token, and is due again when its time is
 * over: so the lines of a reaper that died are taken up by another one.
 */
export class ReapStatements {
  readonly #sql: LedgerSql

  constructor(sql: LedgerSql) {
    this.#sql = sql
  }

  get #dialect(): Dialect {
    return this.#sql.dialect
  }

  /** The keys of lines that are due and that nobody else has locked, locked from now on. */
  due(state: DueState, backends: readonly string[], limit: number): Statement {
    return this.#sql.build(p => {
      const names = backends.map(p).join(', ')
      return `SELECT backend, object_key FROM ${this.#sql.table} WHERE ${this.#isDue(state)} AND backend IN (${names}) LIMIT ${limit}${this.#dialect.lockFree}`
    })
  }

  /** Those of these lines that are to be deleted, in the same way. */
  dueAmong(keys: readonly LineKey[]): Statement {
    return this.#sql.build(
      p =>
        `SELECT backend, object_key FROM ${this.#sql.table} WHERE ${whereKeys(keys, p)} AND ${this.#isDue('delete')}${this.#dialect.lockFree}`,
    )
  }

  /** Takes lines up for `hold` milliseconds. From here on no row can claim them. */
  take(keys: readonly LineKey[], state: DueState, token: string, hold: number): Statement {
    return this.#update(
      p =>
        `state = '${TAKEN_AS[state]}', token = ${p(token)}, expires_at = ${this.#dialect.now} + ${p(hold)}`,
      p => `${whereKeys(keys, p)} AND ${this.#isDue(state)}`,
    )
  }

  /** Those of these lines that were taken up. */
  taken(keys: readonly LineKey[], token: string): Statement {
    return this.#sql.build(
      p =>
        `SELECT backend, object_key, disk, state, size, upload_id, attempts FROM ${this.#sql.table} WHERE ${mine(keys, token, p)}`,
    )
  }

  /** Drops the lines of objects that are deleted. */
  drop(keys: readonly LineKey[], token: string): Statement {
    return this.#sql.build(p => `DELETE FROM ${this.#sql.table} WHERE ${mine(keys, token, p)}`)
  }

  /** The objects are deleted, and will be once more in `pause` milliseconds. */
  bury(keys: readonly LineKey[], token: string, pause: number): Statement {
    return this.#update(
      p =>
        `state = 'reaped', token = NULL, upload_id = NULL, attempts = 0, error = NULL, expires_at = ${this.#dialect.now} + ${p(pause)}`,
      p => mine(keys, token, p),
    )
  }

  /** The objects could not be deleted. */
  fail(keys: readonly LineKey[], token: string, { error, pause, isLast }: FailedTry): Statement {
    return this.#update(
      p =>
        `${isLast ? `state = 'dead', ` : ''}token = NULL, attempts = attempts + 1, error = ${p(error)}, expires_at = ${this.#dialect.now} + ${p(pause)}`,
      p => mine(keys, token, p),
    )
  }

  /** Gives lines back that were taken up and not worked on. */
  release(keys: readonly LineKey[], token: string): Statement {
    return this.#update(
      () => `token = NULL, expires_at = ${this.#dialect.now}`,
      p => mine(keys, token, p),
    )
  }

  /** How many lines are due, and how many milliseconds the first of them has been. */
  backlog(): Statement {
    const { nowOfStatement } = this.#dialect
    return this.#sql.build(
      () =>
        `SELECT COUNT(*) AS backlog, ${nowOfStatement} - MIN(COALESCE(expires_at, updated_at)) AS lag FROM ${this.#sql.table} WHERE ${DUE_STATES.map(state => `(${this.#isDue(state)})`).join(' OR ')}`,
    )
  }

  /** How many lines are dead. */
  dead(): Statement {
    return this.#sql.build(() => `SELECT COUNT(*) AS dead FROM ${this.#sql.table} WHERE state = 'dead'`)
  }

  /** Dead lines are tried again. What was never complete is also looked after once more, as on its first way. */
  retryDead(): Statement {
    return this.#update(
      () =>
        `state = CASE WHEN size IS NULL THEN 'expired' ELSE 'delete' END, attempts = 0, expires_at = ${this.#dialect.now}`,
      () => `state = 'dead'`,
    )
  }

  #isDue(state: DueState): string {
    const isOver = `expires_at <= ${this.#dialect.nowOfStatement}`
    // What rows give up is due at once, and has no time.
    return `state = '${state}' AND ${state === 'delete' ? `(expires_at IS NULL OR ${isOver})` : isOver}`
  }

  #update(set: (p: Place) => string, where: (p: Place) => string): Statement {
    return this.#sql.build(
      p => `UPDATE ${this.#sql.table} SET ${set(p)}, updated_at = ${this.#dialect.now} WHERE ${where(p)}`,
    )
  }
}

/** The fencing: what another reaper has taken up since is not touched. */
function mine(keys: readonly LineKey[], token: string, p: Place): string {
  return `${whereKeys(keys, p)} AND token = ${p(token)}`
}
