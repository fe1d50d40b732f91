import type { DiskOptions } from './disk-options.js'
import { StorageError } from './errors.js'
import { publish } from './events.js'
import { assertObjectKey, keyPrefix, SHARED_TENANT } from './key.js'
import type { FileAddress } from './stored-file.js'
import { getTenant, isSystem, tryGetTenant } from './tenant.js'

/** Who may go where on one disk: every target passes here before a backend is called. */
export class DiskAccess {
  readonly #name: string
  readonly #options: Readonly<DiskOptions>
  readonly #writeTo: (tenant: string | null) => string

  /** @param writeTo names the backend that new files of a tenant go to */
  constructor(name: string, options: Readonly<DiskOptions>, writeTo: (tenant: string | null) => string) {
    this.#name = name
    this.#options = options
    this.#writeTo = writeTo
  }

  /** Where a target lies, if the caller may go there. @throws ERR_TENANT_REQUIRED, ERR_TENANT_MISMATCH, ERR_SYSTEM_REQUIRED, ERR_DISK_UNKNOWN */
  address(target: string | FileAddress, operation: string): FileAddress {
    if (isWrite(operation) && this.#options.tenancy !== 'required') this.assertWritable()
    return typeof target === 'string' ? this.newAddress(target) : this.#mine(target, operation)
  }

  /** Where a key of the caller lies that is new, or on the backend that new files go to. */
  newAddress(key: string): FileAddress {
    const tenant = this.owner()
    return { disk: this.#name, backend: this.#writeTo(tenant), tenant, key }
  }

  /** @throws ERR_TENANT_REQUIRED, ERR_SYSTEM_REQUIRED */
  assertWritable(): void {
    if (this.#options.tenancy === 'required') getTenant()
    else if (!isSystem()) {
      throw new StorageError(
        'ERR_SYSTEM_REQUIRED',
        `The disk "${this.#name}" belongs to no single tenant: write to it under runAsSystem(reason, fn).`,
      )
    }
  }

  /** The owner of what the caller stores. @throws ERR_TENANT_REQUIRED */
  owner(): string | null {
    if (this.#options.tenancy === 'none') return null
    return this.#options.tenancy === 'shared' ? SHARED_TENANT : getTenant()
  }

  /** An address of this disk, whoever's it is. @throws ERR_DISK_UNKNOWN, ERR_TENANT_MISMATCH */
  own(address: FileAddress): FileAddress {
    const { disk, backend, tenant, key } = address
    if (disk !== this.#name)
      throw new StorageError(
        'ERR_DISK_UNKNOWN',
        `This file lies on the disk "${disk}", not on "${this.#name}".`,
      )
    if (this.#options.tenancy !== 'required' && tenant !== this.owner()) throw notYours()
    return { disk, backend, tenant, key }
  }

  /** The whole key of an object. @throws ERR_KEY_INVALID, ERR_TENANT_INVALID */
  objectKey({ tenant, key }: Pick<FileAddress, 'tenant' | 'key'>): string {
    // Judged as a whole: the prefix ends with a slash, so a key that is wrong by itself is wrong here too.
    const objectKey = typeof key === 'string' ? this.prefix(tenant) + key : key
    assertObjectKey(objectKey)
    return objectKey
  }

  /** What all keys of an owner begin with. @throws ERR_TENANT_INVALID */
  prefix(tenant: string | null): string {
    return keyPrefix(this.#options, tenant)
  }

  #mine(target: FileAddress, operation: string): FileAddress {
    const address = this.own(target)
    if (this.#options.tenancy !== 'required' || isSystem()) return address
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
