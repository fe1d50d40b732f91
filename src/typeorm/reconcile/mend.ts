import type { DataSource, QueryRunner } from 'typeorm'
import type { Storage } from '../../core/storage.js'
import { execute } from '../execute.js'
import { type LedgerSql, type Place, type Statement, whereKeys } from '../ledger-sql.js'
import type { Finding, FindingKind, Mending } from './findings.js'
import type { Line } from './ledger-reads.js'
import type { Known } from './merge.js'
import { holdsStill, type RowFile } from './sorted-rows.js'

/**
 * What `reconcile` does about what it finds. `report`: nothing. `attach`: rows get the lines that they should have, so
 * that nobody deletes their files. `all`: also, what no row holds goes to the ledger to be deleted.
 */
export type Fix = 'report' | 'attach' | 'all'

const ATTACHED: readonly FindingKind[] = ['row-without-line', 'row-unclaimed']
const QUEUED: readonly FindingKind[] = ['orphan', 'line-without-row', 'line-without-object']

/**
 * Mends by way of the ledger, each finding in a transaction of its own, and only what is still as it was found. No
 * object is deleted here: that is the reaper's, when nobody can claim it any more.
 */
export class Mender {
  readonly #storage: Storage
  readonly #dataSource: DataSource
  readonly #sql: LedgerSql
  readonly #fix: Fix

  constructor(storage: Storage, dataSource: DataSource, sql: LedgerSql, fix: Fix) {
    this.#storage = storage
    this.#dataSource = dataSource
    this.#sql = sql
    this.#fix = fix
  }

  /** @returns what was done; undefined where nothing was, or somebody else came first */
  async mend(finding: Finding, known: Known): Promise<Mending | undefined> {
    if (this.#fix === 'report') return undefined
    const [row] = known.rows
    if (ATTACHED.includes(finding.kind) && row !== undefined) return this.#attach(finding, known, row)
    if (this.#fix === 'all' && QUEUED.includes(finding.kind)) return this.#queue(finding, known)
    return undefined
  }

  /** The row is locked meanwhile: it cannot give the file up between the look and the line. */
  #attach(finding: Finding, known: Known, row: RowFile): Promise<Mending | undefined> {
    return this.#inTransaction(async runner => {
      const lock = this.#sql.dialect.ownPool && runner.isTransactionActive ? ' FOR UPDATE' : ''
      const { rows } = await execute(runner, row.table.one(row.id, lock))
      if (!holdsStill(this.#storage, row, rows)) return undefined
      const statement =
        known.line === undefined ? this.#insert(finding, known, 'attached') : this.#claim(known)
      const { hit } = await execute(runner, statement)
      return hit > 0 ? 'attached' : undefined
    })
  }

  #queue(finding: Finding, known: Known): Promise<Mending | undefined> {
    return this.#inTransaction(async runner => {
      const { line } = known
      const statement =
        line === undefined ? this.#insert(finding, known, 'delete') : this.#release(known, line)
      const { hit } = await execute(runner, statement)
      return hit > 0 ? 'queued' : undefined
    })
  }

  async #inTransaction<T>(work: (runner: QueryRunner) => Promise<T>): Promise<T> {
    const runner = this.#dataSource.createQueryRunner()
    try {
      await runner.startTransaction()
      const result = await work(runner)
      await runner.commitTransaction()
      return result
    } catch (error) {
      if (runner.isTransactionActive) await runner.rollbackTransaction()
      throw error
    } finally {
      await runner.release()
    }
  }

  /** A line for a key that has none. Where it has one by now, that stays. */
  #insert({ disk, tenant }: Finding, known: Known, state: 'attached' | 'delete'): Statement {
    const { now, insertAbsent } = this.#sql.dialect
    const { backend, objectKey, object } = known
    return this.#sql.build(
      p => `${insertAbsent.insert} ${this.#sql.table}
(backend, object_key, disk, tenant, state, size, attempts, created_at, updated_at)
VALUES (${p(backend)}, ${p(objectKey)}, ${p(disk)}, ${p(tenant)}, '${state}', ${p(object?.size ?? null)}, 0, ${now}, ${now})${insertAbsent.end}`,
    )
  }

  /** Whatever was to become of it, the line is the row's; but for one that a reaper works on just now. */
  #claim(known: Known): Statement {
    const { now } = this.#sql.dialect
    return this.#update(
      known,
      p =>
        `state = 'attached', expires_at = NULL, reserved = NULL, upload_id = NULL, attempts = 0, error = NULL, size = COALESCE(size, ${p(known.object?.size ?? null)}), updated_at = ${now}`,
      () => `state <> 'attached' AND token IS NULL`,
    )
  }

  /** Only a line that is still as it was found: nothing happened to it, so no row has claimed it. */
  #release(known: Known, { state, updatedAt }: Line): Statement {
    const { now } = this.#sql.dialect
    return this.#update(
      known,
      () => `state = 'delete', expires_at = NULL, attempts = 0, error = NULL, updated_at = ${now}`,
      p => `state = ${p(state)} AND updated_at = ${p(updatedAt)} AND token IS NULL`,
    )
  }

  #update(known: Known, set: (p: Place) => string, and: (p: Place) => string): Statement {
    return this.#sql.build(
      p => `UPDATE ${this.#sql.table} SET ${set(p)} WHERE ${whereKeys([known], p)} AND ${and(p)}`,
    )
  }
}
