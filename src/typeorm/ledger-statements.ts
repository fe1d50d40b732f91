import type { StageEntry } from '../core/ledger.js'
import type { Dialect } from './dialect.js'
import { type LedgerSql, type LineKey, type Place, type Statement, whereKeys } from './ledger-sql.js'

/** The statements of uploads and of rows that hold files. Each is a transition of lines. */
export class LedgerStatements {
  readonly #sql: LedgerSql

  constructor(sql: LedgerSql) {
    this.#sql = sql
  }

  get dialect(): Dialect {
    return this.#sql.dialect
  }

  /**
   * A new line, pending under a lease of `lease` milliseconds.
   *
   * @param reserved bytes that a quota sets aside for it; null where the tenant has none
   */
  stage(entry: StageEntry, lease: number, reserved: number | null): Statement {
    const { now, insert } = this.dialect
    return this.#sql.build(
      p => `${insert} ${this.#sql.table}
(backend, object_key, disk, tenant, state, expires_at, reserved, attempts, created_at, updated_at)
VALUES (${p(entry.backend)}, ${p(entry.objectKey)}, ${p(entry.disk)}, ${p(entry.tenant)}, 'pending', ${now} + ${p(lease)}, ${p(reserved)}, 0, ${now}, ${now})`,
    )
  }

  /** A pending line's lease, begun anew. What was set aside under one that is over may be somebody else's by now. */
  renew(key: LineKey, lease: number): Statement {
    return this.#update(
      [key],
      ['pending'],
      p => `expires_at = ${this.dialect.now} + ${p(lease)}`,
      () => ` AND (reserved IS NULL OR expires_at > ${this.dialect.now})`,
    )
  }

  recordMultipart(key: LineKey, uploadId: string): Statement {
    return this.#update([key], ['pending'], p => `upload_id = ${p(uploadId)}`)
  }

  /** The upload is complete; the lease begins anew, so that the handler has time to save. */
  confirm(key: LineKey, size: number, lease: number): Statement {
    return this.#update(
      [key],
      ['pending'],
      p =>
        `size = ${p(size)}, reserved = NULL, upload_id = NULL, expires_at = ${this.dialect.now} + ${p(lease)}`,
      p => ` AND (reserved IS NULL OR (reserved >= ${p(size)} AND expires_at > ${this.dialect.now}))`,
    )
  }

  abandon(key: LineKey): Statement {
    return this.#sql.build(
      p => `DELETE FROM ${this.#sql.table} WHERE ${whereKeys([key], p)} AND state = 'pending'`,
    )
  }

  /** pending → attached: each line must be hit, that is the fencing. */
  claim(keys: readonly LineKey[]): Statement {
    const { sql, parameters } = this.#update(keys, ['pending'], () => `state = 'attached', expires_at = NULL`)
    const returning = keys.length > 1 ? ' RETURNING backend, object_key' : ''
    return { sql: sql + returning, parameters }
  }

  /** attached → pending: a claim whose row was never written. */
  giveBack(keys: readonly LineKey[], lease: number): Statement {
    return this.#update(
      keys,
      ['attached'],
      p => `state = 'pending', expires_at = ${this.dialect.now} + ${p(lease)}`,
    )
  }

  /** pending → delete: from here on nobody can claim the object. */
  condemn(key: LineKey): Statement {
    return this.#update([key], ['pending', 'delete'], () => `state = 'delete', expires_at = NULL`)
  }

  /** Drops the line of an object that is deleted. */
  forget(key: LineKey): Statement {
    return this.#sql.build(
      p => `DELETE FROM ${this.#sql.table} WHERE ${whereKeys([key], p)} AND state = 'delete'`,
    )
  }

  #update(
    keys: readonly LineKey[],
    from: readonly string[],
    set: (p: Place) => string,
    and: (p: Place) => string = () => '',
  ): Statement {
    const states = from.map(state => `'${state}'`).join(', ')
    return this.#sql.build(
      p =>
        `UPDATE ${this.#sql.table} SET ${set(p)}, updated_at = ${this.dialect.now} WHERE ${whereKeys(keys, p)} AND state IN (${states})${and(p)}`,
    )
  }
}
