import type { Backends } from './backends.js'
import { endBody, takeBody } from './body.js'
import type {
  Driver,
  GetOptions,
  GetResult,
  ObjectEntry,
  ObjectInfo,
  OperationOptions,
  PutBody,
  PutOptions,
  PutResult,
} from './driver.js'
import type { EnvironmentTag } from './environment-tag.js'
import { StorageError } from './errors.js'
import { publish } from './events.js'
import { assertObjectKey, keyPrefix, SHARED_TENANT, type Tenancy } from './key.js'
import { objectHeaders } from './object-headers.js'
import type { ProxyUrls } from './proxy-url.js'
import { scopeDriver } from './scoped-driver.js'
import type { FileAddress } from './stored-file.js'
import { getTenant, isSystem, tryGetTenant } from './tenant.js'
import { answerOf, type FileFacts, factsOf } from './url-answer.js'
import type { UrlPolicy, UrlRequest } from './url-policy.js'

/** A logical area with its rules. */
export interface DiskOptions {
  /** The first segments of its object keys, for example `media`. Locations may not nest. */
  location: string
  /** Private files are reached by signed URLs only; public ones have permanent addresses. */
  visibility: 'private' | 'public'
  /**
   * `required`: every key belongs to one tenant. `shared`: every tenant reads, `runAsSystem` writes. `none`: no
   * tenant segment, for what the application itself ships.
   */
  tenancy: Tenancy
  /** Whether `put` may replace an object. Default: `refuse`. */
  overwrite?: 'refuse' | 'allow'
  /** The life of signed URLs in seconds, unless a rule or the call says otherwise. */
  expiresIn?: number
}

/** What a disk needs of its storage. */
export interface DiskContext {
  readonly backends: Backends
  readonly proxyUrls: ProxyUrls
  readonly urlPolicy: UrlPolicy
  /** Refuses writes to what belongs to another environment; absent where the storage has none. */
  readonly environment?: EnvironmentTag
  /** The name of the backend that new files of this tenant go to. */
  writeTo(tenant: string | null): string
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

  constructor(name: string, options: DiskOptions, context: DiskContext) {
    this.name = name
    this.options = Object.freeze({ ...options })
    this.#context = context
  }

  /**
   * Stores an object whole or not at all.
   *
   * @throws ERR_FILE_EXISTS where the disk does not allow to overwrite, ERR_SYSTEM_REQUIRED on a disk that
   *   belongs to no single tenant
   */
  async put(
    target: string | FileAddress,
    body: PutBody,
    options: PutOptions,
  ): Promise<FileAddress & PutResult> {
    takeBody(body)
    try {
      const address = this.address(target, 'put')
      const headers = objectHeaders(options)
      const ifNoneMatch = this.options.overwrite === 'allow' ? options.ifNoneMatch : '*'
      const driver = await this.#driverToWrite(address)
      const stored = await driver.put(address.key, body, { ...options, ...headers, ifNoneMatch })
      return { ...address, ...stored }
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
  }

  /**
   * Copies an object to another key of its owner, on its own backend.
   *
   * @throws ERR_FILE_NOT_FOUND, ERR_SYSTEM_REQUIRED, ERR_FILE_EXISTS where the disk does not allow to overwrite
   */
  async copy(target: string | FileAddress, toKey: string, options?: OperationOptions): Promise<FileAddress> {
    const address = this.address(target, 'copy')
    // Before anything is asked about the other key.
    assertObjectKey(this.objectKey(address))
    const driver = await this.#driverToWrite(address)
    if (this.options.overwrite !== 'allow') await assertFree(driver, toKey, options)
    await driver.copy(address.key, toKey, options)
    return { ...address, key: toKey }
  }

  /**
   * The objects of the tenant that calls, below a prefix, which is empty or ends with a slash; on the backend new
   * files go to. Whoever reads the entries later, and as whom, changes nothing.
   */
  list(prefix = '', options?: OperationOptions): AsyncGenerator<ObjectEntry> {
    const tenant = this.#owner()
    return this.#list(
      { disk: this.name, backend: this.#context.writeTo(tenant), tenant, key: '' },
      prefix,
      options,
    )
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
    if (this.options.visibility === 'private') return this.signedUrl(target, {}, facts)
    const address = typeof target === 'string' ? this.address(target, 'url') : this.#own(target)
    const objectKey = this.objectKey(address)
    const driver = this.#context.backends.get(address.backend)
    return driver.publicUrl?.(objectKey) ?? this.#context.proxyUrls.permanent(address.backend, objectKey)
  }

  /** A signed address. @throws ERR_NOT_READY, ERR_CONFIG for an `expiresIn` that is none or above the cap */
  signedUrl(
    target: string | (FileAddress & FileFacts),
    request: UrlRequest = {},
    facts: FileFacts = factsOf(target),
  ): string {
    const address = this.address(target, 'signedUrl')
    const { backends, proxyUrls, urlPolicy } = this.#context
    const file = { disk: this.name, type: facts.type }
    const { expiresIn, at, maxAge, disposition } = urlPolicy.lifeOf(
      file,
      this.options.expiresIn,
      request,
      Date.now(),
    )
    const objectKey = this.objectKey(address)
    const { contentType, contentDisposition } = answerOf(facts, disposition, request.filename)
    const driver = backends.get(address.backend)
    if (driver.signUrl === undefined) {
      const expires = at / 1000 + expiresIn
      return proxyUrls.sign(address.backend, objectKey, { expires, contentType, contentDisposition })
    }
    const cacheControl = `private, max-age=${maxAge}`
    return driver.signUrl(objectKey, {
      method: 'GET',
      expiresIn,
      at,
      contentType,
      contentDisposition,
      cacheControl,
    })
  }

  /**
   * Where a target lies, if the caller may go there; for the library's own rooms.
   *
   * @throws ERR_TENANT_REQUIRED, ERR_TENANT_MISMATCH, ERR_SYSTEM_REQUIRED, ERR_DISK_UNKNOWN
   */
  address(target: string | FileAddress, operation: string): FileAddress {
    if (isWrite(operation) && this.options.tenancy !== 'required') this.assertWritable()
    if (typeof target !== 'string') return this.#mine(target, operation)
    const tenant = this.#owner()
    return { disk: this.name, backend: this.#context.writeTo(tenant), tenant, key: target }
  }

  /** Whether the caller may write here at all; asked before a byte is read. @throws ERR_TENANT_REQUIRED, ERR_SYSTEM_REQUIRED */
  assertWritable(): void {
    if (this.options.tenancy === 'required') getTenant()
    else if (!isSystem()) {
      throw new StorageError(
        'ERR_SYSTEM_REQUIRED',
        `The disk "${this.name}" belongs to no single tenant: write to it under runAsSystem(reason, fn).`,
      )
    }
  }

  /** Opens the backend that the caller's new files go to. @throws ERR_TENANT_REQUIRED, and the backend's errors */
  async ready(): Promise<void> {
    const backend = this.#context.writeTo(this.#owner())
    await this.#context.backends.open(backend)
    await this.#context.environment?.assertOurs(backend)
  }

  /** The whole key of an object, as its backend knows it. @throws ERR_KEY_INVALID, ERR_TENANT_INVALID */
  objectKey(address: FileAddress): string {
    assertObjectKey(address.key)
    const objectKey = keyPrefix(this.options, address.tenant) + address.key
    assertObjectKey(objectKey)
    return objectKey
  }

  async #driver(address: FileAddress): Promise<Driver> {
    const driver = await this.#context.backends.open(address.backend)
    return scopeDriver(driver, keyPrefix(this.options, address.tenant))
  }

  async #driverToWrite(address: FileAddress): Promise<Driver> {
    await this.#context.environment?.assertOurs(address.backend)
    return this.#driver(address)
  }

  #owner(): string | null {
    if (this.options.tenancy === 'none') return null
    return this.options.tenancy === 'shared' ? SHARED_TENANT : getTenant()
  }

  #own(address: FileAddress): FileAddress {
    const { disk, backend, tenant, key } = address
    if (disk !== this.name)
      throw new StorageError(
        'ERR_DISK_UNKNOWN',
        `This file lies on the disk "${disk}", not on "${this.name}".`,
      )
    if (this.options.tenancy !== 'required' && tenant !== this.#owner()) throw notYours()
    return { disk, backend, tenant, key }
  }

  #mine(target: FileAddress, operation: string): FileAddress {
    const address = this.#own(target)
    if (this.options.tenancy !== 'required' || isSystem()) return address
    if (address.tenant === getTenant()) return address
    const { disk, backend, tenant: owner, key } = address
    publish('denied', { disk, backend, operation, tenant: tryGetTenant() ?? null, owner, key })
    throw notYours()
  }
}

/** To a stranger, what is not theirs is not there. */
function notYours(): StorageError {
  return new StorageError('ERR_TENANT_MISMATCH', 'There is no such file.')
}

function isWrite(operation: string): boolean {
  return operation === 'put' || operation === 'delete' || operation === 'copy'
}

/** No backend copies under a condition, so this is a look and not a lock. New keys are random anyway. */
async function assertFree(driver: Driver, key: string, options?: OperationOptions): Promise<void> {
  try {
    await driver.head(key, options)
  } catch (error) {
    if (StorageError.is(error, 'ERR_FILE_NOT_FOUND')) return
    throw error
  }
  throw new StorageError('ERR_FILE_EXISTS', 'There is an object under this key already.', {
    operation: 'copy',
    key,
  })
}
