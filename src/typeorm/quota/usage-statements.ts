import { SHARED_TENANT } from '../../core/key.js'
import type { LedgerSql, Statement } from '../ledger-sql.js'

/** Of a pending line those that are set aside for it, until its size is known. */
const BYTES = 'COALESCE(size, reserved, 0)'

/** The statements that count what tenants have. */
export class UsageStatements {
  readonly #sql: LedgerSql

  constructor(sql: LedgerSql) {
    this.#sql = sql
  }

  /**
   * What the quota counts, in bytes, as `used`: files of rows, uploads under a lease, and complete ones that wait for
   * their row or for the reaper. An upload that died counts until its lease is over. What is kept after its row let go
   * of it is kept for the operator, not for the tenant: a move would count every file twice.
   */
  used(tenant: string): Statement {
    const { now } = this.#sql.dialect
    return this.#sql.build(
      p => `SELECT COALESCE(SUM(${BYTES}), 0) AS used FROM ${this.#sql.table} WHERE tenant = ${p(tenant)}
AND (state = 'attached' OR (state = 'pending' AND (size IS NOT NULL OR expires_at > ${now})))`,
    )
  }

  /** Everybody who has a line. */
  tenants(): Statement {
    return this.#sql.build(
      p =>
        `SELECT DISTINCT tenant FROM ${this.#sql.table} WHERE tenant IS NOT NULL AND tenant <> ${p(SHARED_TENANT)} ORDER BY tenant`,
    )
  }

  /** Files and bytes by backend and state, of all tenants. */
  states(): Statement {
    return this.#sql.build(
      () => `SELECT backend, state, COUNT(*) AS files, COALESCE(SUM(${BYTES}), 0) AS bytes FROM ${this.#sql.table}
GROUP BY backend, state ORDER BY backend, state`,
    )
  }

  /** Files and bytes by disk and state. */
  parts(tenant: string): Statement {
    return this.#sql.build(
      p => `SELECT disk, state, COUNT(*) AS files, COALESCE(SUM(${BYTES}), 0) AS bytes FROM ${this.#sql.table}
WHERE tenant = ${p(tenant)} GROUP BY disk, state ORDER BY disk, state`,
    )
  }
}
