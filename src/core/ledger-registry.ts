import { StorageError } from './errors.js'
import { type Ledger, nullLedger } from './ledger.js'

/** Chooses among several ledgers, for one database per tenant: gives the name of a registered one. */
export type LedgerResolver = (tenant: string | null) => string

/** A place for one ledger; it is empty while its database is not connected. */
export interface LedgerSlot {
  open(ledger: Ledger): void
  close(): void
}

/**
 * Which ledger an upload is written down in. One storage has one ledger, since a second database could not see
 * the lines of the first; with several, a resolver must choose by tenant.
 */
export class LedgerRegistry {
  readonly #slots = new Map<string, Ledger | undefined>()
  readonly #resolve: LedgerResolver | undefined

  constructor(resolve?: LedgerResolver) {
    this.#resolve = resolve
  }

  /** @throws ERR_LEDGER_AMBIGUOUS for a second ledger without a resolver, or a second of one name */
  register(name: string): LedgerSlot {
    if (this.#slots.has(name) || (this.#slots.size > 0 && this.#resolve === undefined)) {
      throw new StorageError(
        'ERR_LEDGER_AMBIGUOUS',
        'This storage has a DataSource already. Give each DataSource its own storage, or choose by tenant with createStorage({ ledgerOf }) and a name for each withFiles().',
      )
    }
    this.#slots.set(name, undefined)
    return {
      open: ledger => void this.#slots.set(name, ledger),
      close: () => void this.#slots.set(name, undefined),
    }
  }

  /** Those whose database is connected, by name. */
  get open(): readonly { readonly name: string; readonly ledger: Ledger }[] {
    return [...this.#slots].flatMap(([name, ledger]) => (ledger === undefined ? [] : [{ name, ledger }]))
  }

  /** @throws ERR_LEDGER_NOT_READY while the database of the ledger is not connected */
  of(tenant: string | null): Ledger {
    if (this.#slots.size === 0) return nullLedger
    const name = this.#resolve?.(tenant) ?? this.#slots.keys().next().value ?? ''
    const ledger = this.#slots.get(name)
    if (ledger !== undefined) return ledger
    throw new StorageError(
      'ERR_LEDGER_NOT_READY',
      this.#slots.has(name)
        ? 'The DataSource of this storage is not initialized. Call `await dataSource.initialize()` before the first upload.'
        : `ledgerOf() chose "${name}", but no withFiles() has that name.`,
    )
  }
}
