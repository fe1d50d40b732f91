import type { Readable } from 'node:stream'
import { type BackendSource, Backends } from './backends.js'
import { Disk, type DiskContext, type DiskOptions } from './disk.js'
import type { ByteRange, Driver } from './driver.js'
import { StorageError } from './errors.js'
import { parseObjectKey } from './key.js'
import { LedgerRegistry, type LedgerResolver } from './ledger-registry.js'
import { ProxyUrls } from './proxy-url.js'
import {
  assertDisks,
  assertRules,
  DEFAULT_DISKS,
  resolveUploads,
  type UploadOptions,
} from './storage-options.js'
import type { FileAddress, StoredFileData, StoredFileHome } from './stored-file.js'
import { type UrlOptions, UrlPolicy, type UrlRequest } from './url-policy.js'

/** How {@link createStorage} is set up. */
export interface StorageOptions {
  /** Signs local and proxy URLs; at least 16 characters. With several the first signs and all verify. */
  secret: string | readonly string[]
  /** Where `serveFiles` is mounted. Default: `/files`. */
  baseUrl?: string
  /** The configured backends by name. */
  backends: Readonly<Record<string, BackendSource>>
  /** The backend of new files, or a function that chooses it by tenant. Default: the only one. */
  writeTo?: string | ((tenant: string | null) => string)
  /** Default: `media`, `public-media`, `static` and `shared`. */
  disks?: Readonly<Record<string, DiskOptions>>
  urls?: UrlOptions
  /** Chooses the ledger by tenant, for one database per tenant: the name given to `withFiles`. */
  ledgerOf?: LedgerResolver
  uploads?: UploadOptions
}

/**
 * Sets a storage up. Nothing is loaded or called yet: that is {@link Storage.ready}.
 *
 * @throws ERR_CONFIG, ERR_BACKEND_UNKNOWN
 * @example
 * const storage = createStorage({
 *   secret: process.env.STORAGE_URL_SECRET ?? '',
 *   backends: { local: new LocalDriver({ root: 'var/files' }) },
 * })
 */
export function createStorage(options: StorageOptions): Storage {
  return new Storage(options)
}

/** The configured disks and backends of one application. */
export class Storage implements StoredFileHome {
  readonly uploads: Readonly<Required<UploadOptions>>
  /** Where uploads are written down; filled by `withFiles`. */
  readonly ledgers: LedgerRegistry
  readonly #backends: Backends
  readonly #disks: ReadonlyMap<string, Disk>
  readonly #proxyUrls: ProxyUrls

  constructor(options: StorageOptions) {
    const { secret, baseUrl = '/files', backends, disks = DEFAULT_DISKS, urls, ledgerOf, uploads } = options
    assertDisks(disks)
    assertRules(urls, disks)
    this.uploads = resolveUploads(uploads)
    this.ledgers = new LedgerRegistry(ledgerOf)
    this.#backends = new Backends(backends)
    this.#proxyUrls = new ProxyUrls(typeof secret === 'string' ? [secret] : (secret ?? []), baseUrl)
    const context: DiskContext = {
      backends: this.#backends,
      proxyUrls: this.#proxyUrls,
      urlPolicy: new UrlPolicy(urls),
      writeTo: writer(this.#backends, options.writeTo),
    }
    this.#disks = new Map(Object.entries(disks).map(([name, disk]) => [name, new Disk(name, disk, context)]))
  }

  /** Loads the drivers and warms their credentials, once. Wait for it before URLs are read. */
  async ready(): Promise<void> {
    await this.#backends.ready()
  }

  /** Ends the drivers' sockets and timers. */
  async close(): Promise<void> {
    await this.#backends.close()
  }

  /** The names of the configured disks. */
  get diskNames(): readonly string[] {
    return [...this.#disks.keys()]
  }

  /** The names of the configured backends. */
  get backendNames(): readonly string[] {
    return this.#backends.names
  }

  /** @throws ERR_DISK_UNKNOWN */
  disk(name: string): Disk {
    const disk = this.#disks.get(name)
    if (disk !== undefined) return disk
    throw new StorageError(
      'ERR_DISK_UNKNOWN',
      `No disk is called "${name}". Configured: ${this.diskNames.join(', ')}.`,
    )
  }

  /**
   * Checks an address that came in below `serveFiles`, and says which file it permits to read.
   *
   * @param tail path and query below the mount point
   * @throws ERR_URL_INVALID, ERR_URL_EXPIRED
   */
  verifyUrl(tail: string): ServedFile {
    const { backend, objectKey, signed } = this.#proxyUrls.verify(tail, Date.now())
    const found = this.#backends.has(backend) ? this.#locate(objectKey) : undefined
    const permitted =
      found !== undefined && (signed !== undefined || found.disk.options.visibility === 'public')
    if (!permitted) throw new StorageError('ERR_URL_INVALID', 'This address is not valid.')
    const address = { disk: found.disk.name, backend, tenant: found.tenant, key: found.key }
    return { ...signed, address, visibility: found.disk.options.visibility }
  }

  #locate(objectKey: string): { disk: Disk; tenant: string | null; key: string } | undefined {
    for (const disk of this.#disks.values()) {
      const parts = parseObjectKey(disk.options, objectKey)
      if (parts !== undefined) return { disk, ...parts }
    }
    return undefined
  }

  /**
   * Where the file of a verified address lies. The address itself is the permission, so no tenant is asked for.
   *
   * @internal
   */
  async openServed({ address }: ServedFile): Promise<{ driver: Driver; objectKey: string }> {
    const objectKey = this.disk(address.disk).objectKey(address)
    return { driver: await this.#backends.open(address.backend), objectKey }
  }

  /** @internal */
  urlOf(file: StoredFileData): string {
    return this.disk(file.disk).url(file, file)
  }

  /** @internal */
  async signedUrlOf(file: StoredFileData, request: UrlRequest): Promise<string> {
    await this.#backends.open(file.backend)
    return this.disk(file.disk).signedUrl(file, request, file)
  }

  /** @internal */
  async streamOf(file: StoredFileData, range: ByteRange | undefined): Promise<Readable> {
    const { body } = await this.disk(file.disk).get(file, { range })
    return body
  }
}

/** What a verified address permits to read, and how to answer. */
export interface ServedFile {
  readonly address: FileAddress
  readonly visibility: 'private' | 'public'
  /** Seconds since 1970; absent for a public file. */
  readonly expires?: number
  readonly contentType?: string
  readonly contentDisposition?: string
}

function writer(backends: Backends, writeTo: StorageOptions['writeTo']): (tenant: string | null) => string {
  if (typeof writeTo === 'function') return writeTo
  const [only] = backends.names
  const name = writeTo ?? (backends.names.length === 1 ? only : undefined)
  if (name === undefined)
    throw new StorageError('ERR_CONFIG', 'Say with writeTo which backend new files go to.')
  if (!backends.has(name))
    throw new StorageError(
      'ERR_BACKEND_UNKNOWN',
      `writeTo names "${name}", but backends has only: ${backends.names.join(', ')}.`,
    )
  return () => name
}
