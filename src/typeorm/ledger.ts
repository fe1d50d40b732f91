import { StorageError } from '../core/errors.js'
import type { Ledger, StagedUpload, StageEntry } from '../core/ledger.js'
import { Lease, type LeaseContext } from './lease.js'
import type { LedgerConnection } from './ledger-connection.js'
import type { Statement } from './ledger-sql.js'
import type { LedgerStatements } from './ledger-statements.js'

/**
 * The ledger in the application's database. What it does here is apart from the application's transactions;
 * claims are part of them, and made by the entity hooks.
 */
export class DatabaseLedger implements Ledger {
  readonly #connection: LedgerConnection
  readonly #statements: LedgerStatements
  readonly #context: LeaseContext
  readonly #leases = new Set<Lease>()

  /** @param lease in milliseconds */
  constructor(connection: LedgerConnection, statements: LedgerStatements, lease: number) {
    this.#connection = connection
    this.#statements = statements
    this.#context = {
      statements,
      length: lease,
      run: statement => this.#run(statement),
      ended: ended => void this.#leases.delete(ended),
    }
  }

  async stage(entry: StageEntry): Promise<StagedUpload> {
    this.#connection.assertCanStage()
    await this.#run(this.#statements.stage(entry, this.#context.length))
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

  /** Ends the renewals: what is being uploaded now ends with its lease. */
  async close(): Promise<void> {
    for (const lease of this.#leases) lease.leave()
    await this.#connection.close()
  }

  async #run(statement: Statement): Promise<number> {
    try {
      return await this.#connection.run(statement)
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
