/**
 * What Express answers with for each reason. The code names the reason, never the operation: a caller who
 * must tell "missing" from "broken" looks at the code alone.
 */
const STATUS = {
  // the tenant
  ERR_TENANT_REQUIRED: 400,
  ERR_TENANT_INVALID: 400,
  ERR_TENANT_FORBIDDEN: 403,
  ERR_TENANT_MISMATCH: 404,
  ERR_SYSTEM_REQUIRED: 403,
  // what the client sent
  ERR_KEY_INVALID: 400,
  ERR_FILE_NAME: 400,
  ERR_FILE_EMPTY: 400,
  ERR_FILE_TOO_LARGE: 413,
  ERR_FILE_TYPE: 415,
  // Not 507 (RFC 4331, for WebDAV): the client can mend it, and must see the message, which 5xx hides.
  ERR_QUOTA_EXCEEDED: 413,
  ERR_FIELD_UNEXPECTED: 400,
  ERR_SOURCE_REFUSED: 400,
  ERR_SOURCE_FAILED: 502,
  ERR_LIMIT_UNKNOWN: 503,
  ERR_UPLOAD_ABORTED: 400,
  ERR_UPLOAD_TIMEOUT: 408,
  ERR_URL_INVALID: 403,
  ERR_URL_EXPIRED: 403,
  ERR_PRECONDITION: 412,
  ERR_RANGE: 416,
  ERR_METHOD: 405,
  // stored files and their columns
  ERR_FILE_NOT_FOUND: 404,
  ERR_FILE_EXISTS: 409,
  ERR_FILE_FORGED: 400,
  ERR_FILE_WRONG_COLUMN: 400,
  ERR_FILE_STALE: 409,
  ERR_FILE_COUNT: 400,
  ERR_FILE_CHANGED: 409,
  ERR_BULK_WRITE: 500,
  // the ledger
  ERR_LEASE_LOST: 409,
  ERR_LEDGER_NOT_READY: 503,
  ERR_LEDGER_AMBIGUOUS: 500,
  ERR_LEDGER_BUSY: 503,
  ERR_STAGE_IN_TRANSACTION: 500,
  ERR_QUOTA_UNKNOWN: 503,
  // the set-up
  ERR_CONFIG: 500,
  ERR_NOT_READY: 503,
  ERR_DISK_UNKNOWN: 500,
  ERR_BACKEND_UNKNOWN: 500,
  ERR_ENVIRONMENT_MISMATCH: 500,
  ERR_PEER_MISSING: 500,
  ERR_UNSUPPORTED: 501,
  // the backend
  ERR_BACKEND: 502,
  ERR_BACKEND_DENIED: 502,
  ERR_BACKEND_TIMEOUT: 504,
  ERR_BUCKET_NOT_FOUND: 502,
  ERR_BUSY: 503,
  ERR_DISK_FULL: 507,
} as const

/** The reason of a {@link StorageError}. */
export type StorageErrorCode = keyof typeof STATUS

/** Where an error happened; every field is optional and none of them ever holds a secret. */
export interface StorageErrorDetails {
  /** The name of the configured backend, for example `spaces`. */
  backend?: string
  /** The driver method or library step, for example `put`. */
  operation?: string
  /** The object key. Left out of the message where the reader may be a stranger. */
  key?: string
  cause?: unknown
}

const BRAND = Symbol.for('tenant-files.StorageError')

/**
 * The one error class of this library. Act on `code`; `status` is what Express answers with.
 *
 * @example
 * try {
 *   await storage.disk('media').get(file)
 * } catch (error) {
 *   if (StorageError.is(error, 'ERR_FILE_NOT_FOUND')) return res.sendStatus(404)
 *   throw error
 * }
 */
export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly code: StorageErrorCode
  /** The HTTP status that fits the code. Express's default error handler reads it. */
  readonly status: number
  /** Whether the message may be shown to the client (http-errors' convention). */
  readonly expose: boolean
  readonly backend?: string
  readonly operation?: string
  readonly key?: string

  constructor(code: StorageErrorCode, message: string, details: StorageErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.status = STATUS[code]
    this.expose = this.status < 500
    this.backend = details.backend
    this.operation = details.operation
    this.key = details.key
    Object.defineProperty(this, BRAND, { value: true })
  }

  /**
   * Whether `error` is a StorageError, and has the code if one is given. Works across two copies of this
   * package, where `instanceof` does not.
   */
  static is(error: unknown): error is StorageError
  static is<C extends StorageErrorCode>(error: unknown, code: C): error is StorageError & { readonly code: C }
  static is(error: unknown, code?: StorageErrorCode): boolean {
    return (
      typeof error === 'object' &&
      error !== null &&
      BRAND in error &&
      (code === undefined || ('code' in error && error.code === code))
    )
  }
}
