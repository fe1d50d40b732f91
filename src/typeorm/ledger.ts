import type { Ledger, StagedUpload, StageEntry } from '../core/ledger.js'
import { Lease, type LeaseContext } from './lease.js'
import { orBusy } from './ledger-busy.js'
import type { LedgerConnection } from './ledger-connection.js'
import type { Statement } from './ledger-sql.js'
import type { LedgerStatements } from './ledger-statements.js'
import type { QuotaGate } from './quota/quota-gate.js'
import type { LedgerReaper } from './reaper/ledger-reaper.js'

/** What else a {@link DatabaseLedger} needs. */
export interface DatabaseLedgerOptions {
  /** In milliseconds. */
  readonly lease: number
  readonly reaper: LedgerReaper
  /** What uploads must fit through, where tenants have quotas. */
  readonly gate: QuotaGate | undefined
}

/**
 * The ledger in the application's database. What it does here is apart from the application's transactions;
 * claims are part of them, and made by the entity hooks.
 */
export class DatabaseLedger implements Ledger {
  /** Deletes what this ledger has given up. */
  readonly reaper: LedgerReaper
  readonly #connection: LedgerConnection
  readonly #statements: LedgerStatements
  readonly #context: LeaseContext
  readonly #leases = new Set<Lease>()
  readonly #gate: QuotaGate | undefined

  constructor(
    connection: LedgerConnection,
    statements: LedgerStatements,
    { lease, reaper, gate }: DatabaseLedgerOptions,
  ) {
    this.reaper = reaper
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
    if (this.#gate === undefined || limit === undefined) await this.#run(stage(null))
    else await orBusy(this.#gate.enter(this.#connection, entry, limit, stage))
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
    return orBusy(this.#connection.read(statement))
  }

  /** Ends the renewals, so that what is being uploaded now ends with its lease; and the reaper's work. */
  async close(): Promise<void> {
    for (const lease of this.#leases) lease.leave()
    await this.reaper.close()
    await this.#connection.close()
  }

  #run(statement: Statement): Promise<number> {
    return orBusy(this.#connection.run(statement))
  }
}
