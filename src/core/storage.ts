import type { Readable } from 'node:stream'
import { type BackendSource, Backends } from './backends.js'
import { Disk, type DiskContext } from './disk.js'
import type { DiskOptions } from './disk-options.js'
import type { ByteRange, Driver } from './driver.js'
import { EnvironmentTag, readTag } from './environment-tag.js'
import { StorageError } from './errors.js'
import { ignoredBy } from './keep-options.js'
import { parseObjectKey } from './key.js'
import { assertKnownOptions, type OptionNames } from './known-options.js'
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
import { warn } from './warn.js'

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
  /**
   * A word such as `production`. Each backend that is written to then belongs to one environment, and refuses the
   * writes of all others with ERR_ENVIRONMENT_MISMATCH. Default: none, and nothing is looked at.
   */
  environment?: string
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

const OPTIONS: OptionNames<StorageOptions> = {
  secret: 'known',
  backends: 'known',
  writeTo: 'known',
  baseUrl: 'known',
  disks: 'known',
  urls: 'known',
  uploads: 'known',
  environment: 'known',
  ledgerOf: 'known',
}

/** The configured disks and backends of one application. */
export class Storage implements StoredFileHome {
  readonly uploads: Readonly<Required<UploadOptions>>
  /** Where uploads are written down; filled by `withFiles`. */
  readonly ledgers: LedgerRegistry
  readonly #backends: Backends
  readonly #disks: ReadonlyMap<string, Disk>
  readonly #proxyUrls: ProxyUrls
  readonly #urlPolicy: UrlPolicy
  readonly #environment: EnvironmentTag | undefined
  /** The backend that new files go to, where it is the same for every tenant. */
  readonly #onlyBackend: string | undefined
  readonly #writeTo: (tenant: string | null) => string
  #warned = false

  constructor(options: StorageOptions) {
    assertKnownOptions('createStorage()', options, OPTIONS)
    const {
      secret,
      baseUrl = '/files',
      backends,
      disks = DEFAULT_DISKS,
      urls,
      ledgerOf,
      uploads,
      environment,
    } = options
    assertDisks(disks)
    assertRules(urls, disks)
    this.uploads = resolveUploads(uploads)
    this.ledgers = new LedgerRegistry(ledgerOf)
    this.#backends = new Backends(backends ?? {})
    this.#urlPolicy = new UrlPolicy(urls)
    this.#proxyUrls = new ProxyUrls(typeof secret === 'string' ? [secret] : (secret ?? []), baseUrl)
    this.#environment =
      environment === undefined ? undefined : new EnvironmentTag(environment, this.#backends)
    this.#onlyBackend =
      typeof options.writeTo === 'function' ? undefined : fixed(this.#backends, options.writeTo)
    this.#writeTo = typeof options.writeTo === 'function' ? options.writeTo : () => this.#onlyBackend ?? ''
    const context: DiskContext = {
      backends: this.#backends,
      proxyUrls: this.#proxyUrls,
      urlPolicy: this.#urlPolicy,
      environment: this.#environment,
      writeTo: this.#writeTo,
      onlyBackend: this.#onlyBackend,
    }
    this.#disks = new Map(Object.entries(disks).map(([name, disk]) => [name, new Disk(name, disk, context)]))
  }

  /**
   * Loads the drivers and warms their credentials, once. Wait for it before URLs are read.
   *
   * @throws ERR_ENVIRONMENT_MISMATCH where `environment` is set and `writeTo` names the backend of another one; URLs
   *   and downloads work all the same
   */
  async ready(): Promise<void> {
    await this.#backends.ready()
    for (const disk of this.#disks.values()) await disk.readyUrls()
    if (!this.#warned) this.#warnOfIgnored()
    this.#warned = true
    if (this.#onlyBackend !== undefined) await this.#environment?.assertOurs(this.#onlyBackend)
  }

  /** Says once what a disk asks for and a backend of its new files would ignore. */
  #warnOfIgnored(): void {
    const writable = this.#onlyBackend === undefined ? this.#backends.names : [this.#onlyBackend]
    for (const [name, { options }] of this.#disks) {
      for (const backend of writable) {
        const { kind, capabilities } = this.#backends.get(backend)
        const ignored = ignoredBy(options, capabilities)
        if (ignored.length > 0)
          warn(
            'DISK_OPTION_IGNORED',
            `The disk "${name}" asks for ${ignored.join(' and ')}, which the ${kind} backend "${backend}" does not know: new files are kept there without.`,
          )
      }
    }
  }

  /** Ends the drivers' sockets and timers. */
  async close(): Promise<void> {
    await this.#backends.close()
  }

  /** The names of the configured disks. */
  get diskNames(): readonly string[] {
    return [...this.#disks.keys()]
  }

  /** The fields that URL rules name, for example `OrderFile.file`. */
  get urlRuleFields(): readonly string[] {
    return this.#urlPolicy.fields
  }

  /** How long a signed URL may live at most, in seconds. */
  get longestUrl(): number {
    return this.#urlPolicy.longest
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

  /**
   * A whole backend with the files of all tenants, for the reaper, `reconcile` and plans. It never is one of another
   * environment; to `read` it leaves no mark of ours.
   *
   * @internal
   */
  async openForMaintenance(backend: string, access: 'read' | 'write'): Promise<Driver> {
    await this.#environment?.[access === 'read' ? 'assertNobodyElses' : 'assertOurs'](backend)
    return this.#backends.open(backend)
  }

  /** The environment of this storage; undefined where it has none. */
  get environment(): string | undefined {
    return this.#environment?.environment
  }

  /**
   * The environment that a backend belongs to; undefined while it belongs to none. It only looks.
   *
   * @internal
   */
  async environmentOf(backend: string): Promise<string | undefined> {
    return readTag(await this.#backends.open(backend))
  }

  /** The backend that a tenant's new files go to. @internal */
  writesTo(tenant: string | null): string {
    return this.#writeTo(tenant)
  }

  /** @internal */
  urlOf(file: StoredFileData): string {
    return this.disk(file.disk).url(file)
  }

  /** @internal */
  async signedUrlOf(file: StoredFileData, request: UrlRequest): Promise<string> {
    const disk = this.disk(file.disk)
    disk.address(file, 'signedUrl') // so that the event names what was called
    const [url = ''] = await disk.signMany([file], request)
    return url
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
  /** Permits HEAD only. */
  readonly method?: 'HEAD'
}

/** The one backend that new files go to. @throws ERR_CONFIG, ERR_BACKEND_UNKNOWN */
function fixed(backends: Backends, writeTo: string | undefined): string {
  const [only] = backends.names
  if (only === undefined)
    throw new StorageError('ERR_CONFIG', 'backends is empty: name at least one, for example local.')
  const name = writeTo ?? (backends.names.length === 1 ? only : undefined)
  if (name === undefined)
    throw new StorageError('ERR_CONFIG', 'Say with writeTo which backend new files go to.')
  if (backends.has(name)) return name
  throw new StorageError(
    'ERR_BACKEND_UNKNOWN',
    `writeTo names "${name}", but backends has only: ${backends.names.join(', ')}.`,
  )
}
