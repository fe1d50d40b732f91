import { StorageError } from '../core/errors.js'
import type { StagedUpload } from '../core/ledger.js'
import type { LineKey, Statement } from './ledger-sql.js'
import type { LedgerStatements } from './ledger-statements.js'

/** What a {@link Lease} needs of its ledger. */
export interface LeaseContext {
  readonly statements: LedgerStatements
  /** In milliseconds. */
  readonly length: number
  run(statement: Statement): Promise<number>
  ended(lease: Lease): void
}

/** One upload's line, kept alive while the upload runs. */
export class Lease implements StagedUpload {
  readonly #key: LineKey
  readonly #context: LeaseContext
  readonly #timer: NodeJS.Timeout

  constructor(key: LineKey, context: LeaseContext) {
    this.#key = key
    this.#context = context
    this.#timer = setInterval(() => void this.#renew(), context.length / 3)
    this.#timer.unref()
  }

  async recordMultipart(uploadId: string): Promise<void> {
    const { statements, run } = this.#context
    if ((await run(statements.recordMultipart(this.#key, uploadId))) !== 1) throw leaseLost()
  }

  async confirm(size: number): Promise<void> {
    this.leave()
    const { statements, run, length } = this.#context
    if ((await run(statements.confirm(this.#key, size, length))) !== 1) throw leaseLost()
  }

  /** Never rejects, so that the caller's own error stays the first: a line that stays ends with its lease. */
  async abandon(): Promise<void> {
    this.leave()
    const { statements, run } = this.#context
    await run(statements.abandon(this.#key)).catch(() => {})
  }

  leave(): void {
    clearInterval(this.#timer)
    this.#context.ended(this)
  }

  /** A renewal that fails is made up for by the next; one that comes too late is found by confirm. */
  async #renew(): Promise<void> {
    const { statements, run, length } = this.#context
    await run(statements.renew(this.#key, length)).catch(() => {})
  }
}

function leaseLost(): StorageError {
  return new StorageError(
    'ERR_LEASE_LOST',
    'The upload took so long that its place in the ledger was given up. Upload the file again.',
  )
}
