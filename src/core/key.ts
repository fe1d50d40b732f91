import { StorageError } from './errors.js'

/**
 * The ONE place where object keys are built and taken apart. Everything that reaches a backend passes through
 * here; it rejects what it does not like and never rewrites it, because two names that become one object are
 * how files of different owners get mixed up.
 *
 *     <location>/<tenant>/<folder>/<uuid>.<ext>
 *     └ disk ──┘ └ owner ┘ └ key: what a StoredFile remembers ┘
 */

/** The segment, and the JSON tenant, of files that every tenant may read. No tenant may be called so. */
export const SHARED_TENANT = 'shared'

/** S3's limit for a whole object key in UTF-8 bytes ("Creating object key names", Amazon S3 User Guide). */
const MAX_KEY_BYTES = 1024

const TENANT_ID = /^[A-Za-z0-9-][A-Za-z0-9_-]{0,63}$/
const PATH_OF_WORDS = /^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/

/** Who owns the keys of a disk: one tenant each, all of them together, or nobody. */
export type Tenancy = 'required' | 'shared' | 'none'

/** What {@link parseObjectKey} needs to know of a disk. */
export interface KeySpace {
  readonly location: string
  readonly tenancy: Tenancy
}

/**
 * Checks a tenant id: 1 to 64 of `[A-Za-z0-9_-]`, not starting with `_`, and not the reserved word `shared`.
 *
 * @throws ERR_TENANT_INVALID
 */
export function assertTenantId(id: unknown): asserts id is string {
  if (typeof id === 'string' && TENANT_ID.test(id) && id !== SHARED_TENANT) return
  throw new StorageError(
    'ERR_TENANT_INVALID',
    'A tenant id is 1 to 64 letters, digits, "_" or "-", does not start with "_", and is not "shared".',
  )
}

/**
 * Checks a whole object key, or the part of it below a tenant.
 *
 * @throws ERR_KEY_INVALID for an empty key, one over 1,024 bytes, with an empty, `.` or `..` segment, a
 *   backslash, a control character or broken Unicode.
 */
export function assertObjectKey(key: unknown): asserts key is string {
  const fault = keyFault(key)
  if (fault !== undefined)
    throw new StorageError('ERR_KEY_INVALID', `This is not a valid object key: ${fault}.`)
}

/** Whether {@link assertObjectKey} accepts a key. */
export function isObjectKey(key: unknown): key is string {
  return keyFault(key) === undefined
}

/**
 * Checks the prefix of a listing: empty, or whole segments that end with a slash, since `acme` would also list
 * `acme-corp`.
 *
 * @throws ERR_KEY_INVALID
 */
export function assertListPrefix(prefix: unknown): asserts prefix is string {
  if (prefix === '') return
  if (typeof prefix !== 'string' || !prefix.endsWith('/')) {
    throw new StorageError('ERR_KEY_INVALID', 'A prefix is empty or ends with "/".')
  }
  assertObjectKey(prefix.slice(0, -1))
}

/** Nothing but words and dots inside of them: nearly every key of this library, and known to be good at a glance. */
const PLAIN_KEY = /^(?:[\w-][\w.-]*\/)*[\w-][\w.-]*$/

function keyFault(key: unknown): string | undefined {
  if (typeof key !== 'string' || key === '') return 'it is empty'
  if (key.length <= MAX_KEY_BYTES && PLAIN_KEY.test(key)) return undefined
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) return `it is longer than ${MAX_KEY_BYTES} bytes`
  if (!key.isWellFormed()) return 'it holds half a surrogate pair'
  // Backslashes are path separators on Windows and in some proxies; control characters break headers and XML.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what is refused
  if (/[\\\u0000-\u001f\u007f]/.test(key)) return 'it holds a backslash or a control character'
  if (key.split('/').some(segment => segment === '' || segment === '.' || segment === '..')) {
    return 'it has an empty, "." or ".." segment'
  }
  return undefined
}

/**
 * Checks a location or a folder: words of `[A-Za-z0-9_-]`, joined by single slashes.
 *
 * @param what how the message calls it, for example `folder`
 * @throws ERR_CONFIG
 */
export function assertPathOfWords(value: unknown, what: string): asserts value is string {
  if (typeof value === 'string' && PATH_OF_WORDS.test(value)) return
  throw new StorageError(
    'ERR_CONFIG',
    `The ${what} must be words of [A-Za-z0-9_-] joined by "/", for example "order_files".`,
  )
}

/** The start of every object key of one disk and owner; it ends with a slash, so `acme` is never `acme-corp`. */
export function keyPrefix(space: KeySpace, tenant: string | null): string {
  if (space.tenancy === 'none') return `${space.location}/`
  if (space.tenancy === 'shared') return `${space.location}/${SHARED_TENANT}/`
  assertTenantId(tenant)
  return `${space.location}/${tenant}/`
}

/**
 * The key of a new file below its disk and tenant.
 *
 * @param extension without a dot; letters and digits only, since it comes from outside
 */
export function newFileKey(folder: string, id: string, extension: string): string {
  const key = `${folder}/${id}.${/^[a-z0-9]{1,10}$/.test(extension) ? extension : 'bin'}`
  assertObjectKey(key)
  return key
}

/**
 * Takes an object key apart.
 *
 * @returns the owner (null for a disk without tenants) and the key below it, or undefined where the object
 *   does not lie in this space
 */
export function parseObjectKey(
  space: KeySpace,
  objectKey: string,
): { tenant: string | null; key: string } | undefined {
  const below = isObjectKey(objectKey) && stripPrefix(objectKey, `${space.location}/`)
  if (!below) return undefined
  if (space.tenancy === 'none') return { tenant: null, key: below }
  const slash = below.indexOf('/')
  const tenant = below.slice(0, Math.max(slash, 0))
  const owned = space.tenancy === 'shared' ? tenant === SHARED_TENANT : isTenantId(tenant)
  return owned ? { tenant, key: below.slice(slash + 1) } : undefined
}

function isTenantId(id: string): boolean {
  return TENANT_ID.test(id) && id !== SHARED_TENANT
}

function stripPrefix(text: string, prefix: string): string | undefined {
  return text.startsWith(prefix) ? text.slice(prefix.length) : undefined
}
