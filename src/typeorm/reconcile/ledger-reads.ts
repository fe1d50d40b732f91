import type { DatabaseLedger } from '../ledger.js'
import { type LedgerSql, type LineKey, type Place, type Statement, whereKeys } from '../ledger-sql.js'
import type { LedgerState } from '../ledger-table.js'
import { takeRows } from './take-rows.js'

/** Lines in one statement. */
const PAGE = 1000

/** A line of the ledger, as far as it is compared. */
export interface Line {
  readonly backend: string
  readonly objectKey: string
  readonly disk: string
  readonly tenant: string | null
  readonly state: LedgerState
  readonly size: number | null
  /** Milliseconds since 1970, by the database's clock. */
  readonly updatedAt: number
}

/** Reads the inventory. */
export class LedgerReads {
  readonly #sql: LedgerSql
  readonly #ledger: DatabaseLedger

  constructor(sql: LedgerSql, ledger: DatabaseLedger) {
    this.#sql = sql
    this.#ledger = ledger
  }

  /** Milliseconds since 1970, by the database's clock. */
  async now(): Promise<number> {
    const [row] = await this.#ledger.read(this.#sql.build(() => `SELECT ${this.#sql.dialect.now} AS now`))
    return Number(row?.now)
  }

  /** All lines of one backend below a prefix, in the order of their keys' bytes. */
  async *below(backend: string, prefix: string): AsyncGenerator<Line> {
    let after: string | undefined
    for (;;) {
      const page = takeRows(await this.#ledger.read(this.#page(backend, prefix, after))).map(lineOf)
      yield* page
      if (page.length < PAGE) return
      after = page.at(-1)?.objectKey
    }
  }

  /** The lines of these keys that there are now. */
  async of(keys: readonly LineKey[]): Promise<Line[]> {
    const rows = await this.#ledger.read(this.#select(p => whereKeys(keys, p)))
    return rows.map(lineOf)
  }

  #page(backend: string, prefix: string, after: string | undefined): Statement {
    return this.#select(p => {
      const where = [`backend = ${p(backend)}`]
      if (after !== undefined) where.push(`object_key > ${p(after)}`)
      else if (prefix !== '') where.push(`object_key >= ${p(prefix)}`)
      // "0" comes right after "/": all keys below the prefix are smaller, and no others are.
      if (prefix !== '') where.push(`object_key < ${p(`${prefix.slice(0, -1)}0`)}`)
      return `${where.join(' AND ')} ORDER BY object_key LIMIT ${PAGE}`
    })
  }

  #select(where: (p: Place) => string): Statement {
    return this.#sql.build(
      p =>
        `SELECT backend, object_key, disk, tenant, state, size, updated_at FROM ${this.#sql.table} WHERE ${where(p)}`,
    )
  }
}

function lineOf(row: Record<string, unknown>): Line {
  return {
    // MariaDB gives keys as bytes.
    backend: String(row.backend),
    objectKey: String(row.object_key),
    disk: String(row.disk),
    tenant: row.tenant === null ? null : String(row.tenant),
    state: String(row.state) as LedgerState,
    size: row.size === null ? null : Number(row.size),
    updatedAt: Number(row.updated_at),
  }
}
