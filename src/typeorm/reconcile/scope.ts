import type { Disk } from '../../core/disk.js'
import { StorageError } from '../../core/errors.js'
import { assertListPrefix, keyPrefix, parseObjectKey } from '../../core/key.js'
import type { Storage } from '../../core/storage.js'
import { toBytes } from './byte-order.js'

/** Where an object lies, by its key. */
export interface Place {
  readonly disk: string
  readonly tenant: string | null
}

/** What {@link Scope} is drawn by. */
export interface ScopeOptions {
  readonly backends?: readonly string[]
  readonly tenant?: string
  readonly prefix?: string
}

/** Which keys of which backends are compared. */
export class Scope {
  /** In the order of their bytes, as in the ledger. */
  readonly backends: readonly string[]
  /** In the order of their bytes; none lies in another one. */
  readonly prefixes: readonly string[]
  readonly #disks: readonly Disk[]
  readonly #storage: Storage
  readonly #owned = new Map<string | null, boolean>()
  readonly #ledger: object

  /**
   * @param fileDisks the disks of file columns. Others without tenants hold static files, which have neither rows nor
   *   lines
   * @param ledger the one that is compared: what belongs to the ledger of another DataSource is not looked at
   * @throws ERR_CONFIG, ERR_BACKEND_UNKNOWN, ERR_KEY_INVALID
   */
  constructor(storage: Storage, options: ScopeOptions, fileDisks: ReadonlySet<string>, ledger: object) {
    const { tenant, prefix, backends = storage.backendNames } = options
    if (tenant !== undefined && prefix !== undefined)
      throw new StorageError('ERR_CONFIG', 'reconcile() takes a tenant or a prefix, not both.')
    const unknown = backends.find(name => !storage.backendNames.includes(name))
    if (unknown !== undefined)
      throw new StorageError('ERR_BACKEND_UNKNOWN', `No backend is called "${unknown}".`)
    this.#storage = storage
    this.#ledger = ledger
    this.#disks = storage.diskNames
      .map(name => storage.disk(name))
      .filter(({ name, options: { tenancy } }) => tenancy !== 'none' || fileDisks.has(name))
    this.backends = inOrder(backends)
    this.prefixes = inOrder(this.#prefixesOf(tenant, prefix))
  }

  #prefixesOf(tenant: string | undefined, prefix: string | undefined): string[] {
    if (prefix !== undefined) {
      assertListPrefix(prefix)
      return [prefix]
    }
    if (tenant === undefined) return this.#disks.map(({ options }) => `${options.location}/`)
    return this.#disks
      .filter(({ options }) => options.tenancy === 'required')
      .map(({ options }) => keyPrefix(options, tenant))
  }

  /** Undefined for a key that is of none of the disks. */
  locate(objectKey: string): Place | undefined {
    for (const { name, options } of this.#disks) {
      const found = parseObjectKey(options, objectKey)
      if (found !== undefined) return { disk: name, tenant: found.tenant }
    }
    return undefined
  }

  covers(backend: string, objectKey: string): boolean {
    return this.backends.includes(backend) && this.prefixes.some(prefix => objectKey.startsWith(prefix))
  }

  /** Whether the ledger that is compared is the one of this tenant. */
  isOurs(tenant: string | null): boolean {
    const known = this.#owned.get(tenant)
    if (known !== undefined) return known
    const owned = this.#isOurs(tenant)
    // Bounded, however many tenants there are.
    if (this.#owned.size > 1000) this.#owned.clear()
    this.#owned.set(tenant, owned)
    return owned
  }

  #isOurs(tenant: string | null): boolean {
    try {
      return this.#storage.ledgers.of(tenant) === this.#ledger
    } catch (error) {
      if (StorageError.is(error, 'ERR_LEDGER_NOT_READY')) return false // it is another one, not connected now
      throw error
    }
  }
}

function inOrder(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort((a, b) => (toBytes(a) < toBytes(b) ? -1 : 1))
}
