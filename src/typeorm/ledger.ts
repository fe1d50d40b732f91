import { StorageError } from '../core/errors.js'
import type { Ledger, StagedUpload, StageEntry } from '../core/ledger.js'
import { Lease, type LeaseContext } from './lease.js'
import type { LedgerConnection } from './ledger-connection.js'
import type { Statement } from './ledger-sql.js'
import type { LedgerStatements } from './ledger-statements.js'
import type { QuotaGate } from './quota/quota-gate.js'

/**
 * The ledger in the application's database. What it does here is apart from the application's transactions;
 * claims are part of them, and made by the entity hooks.
 */
export class DatabaseLedger implements Ledger {
  readonly #connection: LedgerConnection
  readonly #statements: LedgerStatements
  readonly #context: LeaseContext
  readonly #leases = new Set<Lease>()
  readonly #gate: QuotaGate | undefined

  /**
   * @param lease in milliseconds
   * @param gate what uploads must fit through, where tenants have quotas
   */
  constructor(
    connection: LedgerConnection,
    statements: LedgerStatements,
    lease: number,
    gate: QuotaGate | undefined,
  ) {
    this.#connection = connection
    this.#statements = statements
    this.#gate = gate
    this.#context = {
      statements,
      length: lease,
      run: statement => this.#run(statement),
      ended: ended => void this.#leases.delete(ended),
    }
  }

  async stage(entry: StageEntry): Promise<StagedUpload> {
    this.#connection.assertCanStage()
    const limit = await this.#gate?.limitOf(entry.tenant)
    const stage = (reserved: number | null) => this.#statements.stage(entry, this.#context.length, reserved)
    if (limit === undefined) await this.#run(stage(null))
    else await this.#busy(async () => this.#gate?.enter(this.#connection, entry, limit, stage))
    const lease = new Lease(entry, this.#context)
    this.#leases.add(lease)
    return lease
  }

  async discard(backend: string, objectKey: string, remove: () => Promise<void>): Promise<void> {
    const key = { backend, objectKey }
    const isOurs = (await this.#run(this.#statements.condemn(key))) === 1
    if (!isOurs) return
    await remove()
    await this.#run(this.#statements.forget(key))
  }

  /** @throws ERR_LEDGER_BUSY */
  read(statement: Statement): Promise<readonly Record<string, unknown>[]> {
    return this.#busy(() => this.#connection.read(statement))
  }

  /** Ends the renewals: what is being uploaded now ends with its lease. */
  async close(): Promise<void> {
    for (const lease of this.#leases) lease.leave()
    await this.#connection.close()
  }

  #run(statement: Statement): Promise<number> {
    return this.#busy(() => this.#connection.run(statement))
  }

  async #busy<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      if (StorageError.is(cause)) throw cause
      throw new StorageError(
        'ERR_LEDGER_BUSY',
        'The database of the file ledger did not take the statement.',
        {
          operation: 'ledger',
          cause,
        },
      )
    }
  }
}
