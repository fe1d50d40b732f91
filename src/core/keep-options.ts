import type { DriverCapabilities, EncryptionAlgorithm, KeepOptions } from './driver.js'
import { StorageError } from './errors.js'

/** How a disk asks its backend to keep new objects. */
export interface DiskKeepOptions {
  /** For example `INTELLIGENT_TIERING` on S3, `Cool` on Azure, `NEARLINE` on Cloud Storage. Default: the bucket's. */
  storageClass?: string
  /** Server-side encryption other than the bucket's own. */
  encryption?: DiskEncryption
}

/** Server-side encryption of a disk's objects. */
export interface DiskEncryption {
  algorithm: EncryptionAlgorithm
  /** The key, or a function that gives each tenant one of its own. */
  keyId?: string | ((tenant: string | null) => string)
}

const ALGORITHMS: readonly EncryptionAlgorithm[] = [
  'AES256',
  'aws:kms',
  'aws:kms:dsse',
  'azure:scope',
  'gcp:kms',
]
/** Without a key they mean nothing; on S3 `aws:kms` alone means the key that AWS manages for the account. */
const NEED_A_KEY: ReadonlySet<EncryptionAlgorithm> = new Set(['azure:scope', 'gcp:kms'])

/** @throws ERR_CONFIG for an algorithm that does not exist, or one without the key that it needs */
export function assertKeepOptions(disk: string, { storageClass, encryption }: DiskKeepOptions): void {
  if (storageClass !== undefined && !/^\w{1,64}$/.test(storageClass))
    throw new StorageError('ERR_CONFIG', `The storageClass of the disk "${disk}" must be a word.`)
  if (encryption === undefined) return
  const { algorithm, keyId } = encryption
  if (!ALGORITHMS.includes(algorithm)) {
    const known = ALGORITHMS.join(', ')
    throw new StorageError('ERR_CONFIG', `The encryption of the disk "${disk}" must be one of: ${known}.`)
  }
  if (keyId === undefined && NEED_A_KEY.has(algorithm))
    throw new StorageError('ERR_CONFIG', `The encryption "${algorithm}" of the disk "${disk}" needs a keyId.`)
  if (keyId !== undefined && algorithm === 'AES256')
    throw new StorageError('ERR_CONFIG', `The encryption AES256 of the disk "${disk}" takes no keyId.`)
}

/**
 * What a driver is asked for: the call's own wish, else the disk's where the backend does not ignore it.
 *
 * @throws ERR_UNSUPPORTED for a wish of the call that the backend would ignore; ERR_CONFIG where the disk's function
 *   gives no key for this tenant: the bucket's key is no substitute
 */
export function keepOptionsOf(
  disk: DiskKeepOptions,
  call: KeepOptions,
  tenant: string | null,
  capabilities: Pick<DriverCapabilities, 'encryption' | 'storageClasses'>,
): KeepOptions {
  const [ignored] = ignoredBy(call, capabilities)
  if (ignored !== undefined)
    throw new StorageError('ERR_UNSUPPORTED', `This backend does not know ${ignored}.`)
  const kept: KeepOptions = {}
  const storageClass = call.storageClass ?? disk.storageClass
  if (storageClass !== undefined && capabilities.storageClasses.includes(storageClass))
    kept.storageClass = storageClass
  const encryption = call.encryption ?? disk.encryption
  if (encryption === undefined || !capabilities.encryption.includes(encryption.algorithm)) return kept
  const { algorithm, keyId } = encryption
  kept.encryption = { algorithm, ...(keyId === undefined ? {} : { keyId: keyFor(keyId, tenant) }) }
  return kept
}

function keyFor(keyId: NonNullable<DiskEncryption['keyId']>, tenant: string | null): string {
  const key: unknown = typeof keyId === 'function' ? keyId(tenant) : keyId
  if (typeof key === 'string' && key !== '') return key
  throw new StorageError('ERR_CONFIG', 'The keyId function of this disk gave no key for the tenant.')
}

/** What a disk asks for and a backend would ignore, in words; empty where all is well. */
export function ignoredBy(
  { storageClass, encryption }: DiskKeepOptions,
  { storageClasses, encryption: algorithms }: Pick<DriverCapabilities, 'encryption' | 'storageClasses'>,
): string[] {
  const ignored: string[] = []
  if (storageClass !== undefined && !storageClasses.includes(storageClass))
    ignored.push(`the storage class ${storageClass}`)
  if (encryption !== undefined && !algorithms.includes(encryption.algorithm))
    ignored.push(`the encryption ${encryption.algorithm}`)
  return ignored
}
