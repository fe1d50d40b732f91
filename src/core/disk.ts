import { assertAbsent } from './assert-absent.js'
import { endBody, takeBody } from './body.js'
import { DiskAccess } from './disk-access.js'
import type { DiskOptions } from './disk-options.js'
import { DiskUrls, type DiskUrlsContext, type UrlTarget } from './disk-urls.js'
import type {
  CopiedObject,
  CopyFromOptions,
  CopyOptions,
  Driver,
  GetOptions,
  GetResult,
  KeepOptions,
  ObjectEntry,
  ObjectInfo,
  OperationOptions,
  PutBody,
  PutOptions,
} from './driver.js'
import type { EnvironmentTag } from './environment-tag.js'
import { publish } from './events.js'
import { keepOptionsOf } from './keep-options.js'
import { objectHeaders } from './object-headers.js'
import { scopeDriver } from './scoped-driver.js'
import { columnOf, type FileAddress, rememberUrl, urlMemoOf } from './stored-file.js'
import { putRequest, type StoredObject, storedObject } from './stored-object.js'
import { type FileFacts, factsOf } from './url-answer.js'
import type { ColumnUrls, UrlRequest } from './url-policy.js'

/** Where a service must be asked for each signature. */
const SIGNED_AT_ONCE = 20

/** What a disk needs of its storage. */
export interface DiskContext extends DiskUrlsContext {
  /** Refuses writes to what belongs to another environment; absent where the storage has none. */
  readonly environment?: EnvironmentTag
  /** The name of the backend that new files of this tenant go to. */
  readonly writeTo: (tenant: string | null) => string
}

/**
 * One area of the storage, confined to the current tenant. A target is a key (of the current tenant, on the
 * backend new files go to) or an address such as a `StoredFile` (which must be the current tenant's).
 *
 * Every method throws `ERR_TENANT_REQUIRED` without a tenant and `ERR_TENANT_MISMATCH` for another tenant's
 * address, before any backend is called. Only `runAsSystem` crosses.
 */
export class Disk {
  readonly name: string
  readonly options: Readonly<DiskOptions>
  readonly #context: DiskContext
  readonly #access: DiskAccess
  readonly #urls: DiskUrls

  /** @throws ERR_CONFIG for a CDN in front of no backend */
  constructor(name: string, options: DiskOptions, context: DiskContext) {
    this.name = name
    this.options = Object.freeze({ ...options })
    this.#context = context
    this.#access = new DiskAccess(name, this.options, context.writeTo)
    this.#urls = new DiskUrls(name, this.options, context)
  }

  /**
   * Stores an object whole or not at all.
   *
   * @throws ERR_FILE_EXISTS where the disk does not allow to overwrite, ERR_SYSTEM_REQUIRED on a disk that
   *   belongs to no single tenant
   */
  async put(target: string | FileAddress, body: PutBody, options: PutOptions): Promise<StoredObject> {
    takeBody(body)
    try {
      const address = this.address(target, 'put')
      const headers = objectHeaders(options, this.options.cacheControl)
      const driver = this.#driverAtHand(address) ?? (await this.#driverToWrite(address))
      const kept = this.#kept(address, driver, options)
      const ifNoneMatch = this.options.overwrite === 'allow' ? options.ifNoneMatch : '*'
      const request = putRequest(options, headers, kept, ifNoneMatch)
      const stored = await driver.put(address.key, body, request)
      if (ifNoneMatch === undefined) await this.purge(address.backend, this.objectKey(address))
      return storedObject(address, driver, stored, request)
    } finally {
      endBody(body)
    }
  }

  /** @throws ERR_FILE_NOT_FOUND, ERR_RANGE */
  async get(target: string | FileAddress, options?: GetOptions): Promise<GetResult> {
    const address = this.address(target, 'get')
    return (await this.#driver(address)).get(address.key, options)
  }

  /** @throws ERR_FILE_NOT_FOUND */
  async head(target: string | FileAddress, options?: OperationOptions): Promise<ObjectInfo> {
    const address = this.address(target, 'head')
    return (await this.#driver(address)).head(address.key, options)
  }

  /** Deletes an object; one that is not there is no error. @throws ERR_SYSTEM_REQUIRED */
  async delete(target: string | FileAddress, options?: OperationOptions): Promise<void> {
    const address = this.address(target, 'delete')
    await (await this.#driverToWrite(address)).delete(address.key, options)
    await this.purge(address.backend, this.objectKey(address))
  }

  /**
   * Copies an object to another key of its owner, on its own backend.
   *
   * @throws ERR_FILE_NOT_FOUND, ERR_SYSTEM_REQUIRED, ERR_FILE_EXISTS where the disk does not allow to overwrite
   */
  async copy(
    target: string | FileAddress,
    toKey: string,
    { signal, ...options }: CopyOptions = {},
  ): Promise<FileAddress> {
    const address = this.address(target, 'copy')
    this.objectKey(address) // judged before anything is asked about the other key
    const driver = await this.#driverToWrite(address)
    // No backend copies under a condition, so this is a look and not a lock. New keys are random anyway.
    if (this.options.overwrite !== 'allow')
      await assertAbsent(() => driver.head(toKey, { signal }), { operation: 'copy', key: toKey })
    await driver.copy(address.key, toKey, { signal, ...this.#kept(address, driver, options) })
    const copy = { ...address, key: toKey }
    if (this.options.overwrite === 'allow') await this.purge(copy.backend, this.objectKey(copy))
    return copy
  }

  /**
   * Copies an object from one backend to another without its bytes passing through this process, create-only. For the
   * library's own rooms.
   *
   * @returns undefined where the backends cannot; nothing was done then
   * @throws ERR_FILE_NOT_FOUND, ERR_FILE_EXISTS, ERR_SYSTEM_REQUIRED
   */
  async copyFrom(
    source: FileAddress,
    target: FileAddress,
    options: CopyFromOptions,
  ): Promise<CopiedObject | undefined> {
    const [from, to] = [this.address(source, 'get'), this.address(target, 'put')]
    for (const address of [from, to]) this.objectKey(address) // judged before any backend is asked
    const place = (await this.#driver(from)).copySource?.(from.key)
    const driver = await this.#driverToWrite(to)
    if (place === undefined || driver.copyFrom === undefined) return undefined
    const kept = this.#kept(to, driver, options)
    const headers = objectHeaders(options, this.options.cacheControl)
    return driver.copyFrom(place, to.key, { ...options, ...headers, ...kept, ifNoneMatch: '*' })
  }

  /**
   * The objects of the tenant that calls, below a prefix, which is empty or ends with a slash; on the backend new
   * files go to. Whoever reads the entries later, and as whom, changes nothing.
   */
  list(prefix = '', options?: OperationOptions): AsyncGenerator<ObjectEntry> {
    return this.#list(this.#access.newAddress(''), prefix, options)
  }

  async *#list(
    address: FileAddress,
    prefix: string,
    options?: OperationOptions,
  ): AsyncGenerator<ObjectEntry> {
    const driver = await this.#driver(address)
    yield* driver.list(prefix, options)
  }

  /** The permanent address of a public file, the signed one of a private file. @throws ERR_NOT_READY */
  url(target: string | (FileAddress & FileFacts), facts: FileFacts = factsOf(target)): string {
    if (this.options.visibility === 'private') return this.#signedOnce(target, facts)
    const address = typeof target === 'string' ? this.address(target, 'url') : this.#access.own(target)
    return this.#urls.permanent(address.backend, this.objectKey(address))
  }

  /** What was signed for a file is handed out again while its window lasts. */
  #signedOnce(target: string | (FileAddress & FileFacts), facts: FileFacts): string {
    const address = this.address(target, 'signedUrl')
    const known = facts === target ? urlMemoOf(target) : undefined
    const now = Date.now()
    if (known?.by === this && known.from <= now && now < known.until) return known.url
    const signed = this.#urls.signed(this.#target(address, facts, columnOf(target)), {})
    if (facts === target)
      rememberUrl(target, { url: signed.url, from: signed.from, until: signed.until, by: this })
    return signed.url
  }

  /** A signed address. @throws ERR_NOT_READY, ERR_CONFIG for an `expiresIn` that is none or above the cap */
  signedUrl(
    target: string | (FileAddress & FileFacts),
    request: UrlRequest = {},
    facts: FileFacts = factsOf(target),
  ): string {
    const address = this.address(target, 'signedUrl')
    return this.#urls.signed(this.#target(address, facts, columnOf(target)), request).url
  }

  /**
   * Signed addresses of many files, in their order. Waits for backends that are not open yet, and for those that must
   * ask a service for a signature.
   *
   * @throws as {@link signedUrl}; one file that is not the caller's fails them all
   * @example
   * const urls = await storage.disk('media').signMany(orders.map(order => order.file), { expiresIn: 300 })
   */
  async signMany(
    targets: readonly (string | (FileAddress & FileFacts))[],
    request: UrlRequest = {},
  ): Promise<string[]> {
    const found = targets.map(target => {
      const address = this.address(target, 'signMany')
      return this.#target(address, factsOf(target), columnOf(target))
    })
    const urls: string[] = []
    for (let start = 0; start < found.length; start += SIGNED_AT_ONCE) {
      const some = found.slice(start, start + SIGNED_AT_ONCE)
      urls.push(...(await Promise.all(some.map(target => this.#urls.signedRemotely(target, request)))))
    }
    return urls
  }

  /**
   * Where a target lies, if the caller may go there; for the library's own rooms.
   *
   * @throws ERR_TENANT_REQUIRED, ERR_TENANT_MISMATCH, ERR_SYSTEM_REQUIRED, ERR_DISK_UNKNOWN
   */
  address(target: string | FileAddress, operation: string): FileAddress {
    return this.#access.address(target, operation)
  }

  /** Whether the caller may write here at all; asked before a byte is read. @throws ERR_TENANT_REQUIRED, ERR_SYSTEM_REQUIRED */
  assertWritable(): void {
    this.#access.assertWritable()
  }

  /** Whether {@link ready} has nothing to wait for. @throws ERR_TENANT_REQUIRED */
  get isReady(): boolean {
    const { backends, environment, writeTo } = this.#context
    return environment === undefined && backends.opened(writeTo(this.#access.owner())) !== undefined
  }

  /** Opens the backend that the caller's new files go to. @throws ERR_TENANT_REQUIRED, and the backend's errors */
  async ready(): Promise<void> {
    const backend = this.#context.writeTo(this.#access.owner())
    await this.#context.backends.open(backend)
    const { environment } = this.#context
    if (environment !== undefined) await environment.assertOurs(backend)
  }

  /** Gets ready to make URLs; `storage.ready()` calls it. @throws ERR_CONFIG for a CDN that its backend cannot stand behind */
  async readyUrls(): Promise<void> {
    await this.#urls.ready()
  }

  /** The whole key of an object, as its backend knows it. @throws ERR_KEY_INVALID, ERR_TENANT_INVALID */
  objectKey(address: FileAddress): string {
    return this.#access.objectKey(address)
  }

  async #driver(address: FileAddress): Promise<Driver> {
    const driver = await this.#context.backends.open(address.backend)
    return scopeDriver(driver, this.#access.prefix(address.tenant))
  }

  /** To write with, where nothing has to be waited for. */
  #driverAtHand({ backend, tenant }: FileAddress): Driver | undefined {
    const { backends, environment } = this.#context
    const driver = environment === undefined ? backends.opened(backend) : undefined
    return driver && scopeDriver(driver, this.#access.prefix(tenant))
  }

  async #driverToWrite(address: FileAddress): Promise<Driver> {
    const { backends, environment } = this.#context
    if (environment !== undefined) await environment.assertOurs(address.backend)
    return scopeDriver(await backends.open(address.backend), this.#access.prefix(address.tenant))
  }

  /**
   * Drops what the CDN still holds of an object that was replaced or deleted. Its failure is no failure of that: it
   * is the event `leftover`.
   *
   * @internal
   */
  async purge(backend: string, objectKey: string): Promise<void> {
    try {
      await this.#urls.purge(backend, objectKey)
    } catch (error) {
      publish('leftover', { backend, key: objectKey, error })
    }
  }

  #kept({ tenant }: FileAddress, { capabilities }: Driver, call: KeepOptions): KeepOptions {
    return keepOptionsOf(this.options, call, tenant, capabilities)
  }

  #target(address: FileAddress, facts: FileFacts, column: ColumnUrls | undefined): UrlTarget {
    const { backend, tenant } = address
    return { backend, tenant, objectKey: this.#access.objectKey(address), facts, column }
  }
}
