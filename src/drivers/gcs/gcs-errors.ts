import { StorageError, type StorageErrorCode } from '../../core/errors.js'
import { mayPass, parseRetryAfter } from '../../core/retry.js'

/** What an error happened to. */
export interface ErrorPlace {
  operation: string
  bucket: string
  key?: string
}

interface Reason {
  code: StorageErrorCode
  message: string
}

/**
 * A request that failed, as the cause of a StorageError: what the backend answered, or what kept it from
 * answering. Headers and URLs are left out, since they hold tokens and session addresses.
 */
export class GcsFailure extends Error {
  override readonly name = 'GcsFailure'
  /** The HTTP status, where there was an answer. */
  readonly status: number | undefined
  /** Google's word for the error ("HTTP status and error codes for JSON", Cloud Storage), or Node's. */
  readonly reason: string | undefined
  /** Milliseconds that the backend asked to wait. */
  readonly retryAfter: number | undefined

  constructor(
    message: string,
    { status, reason, retryAfter }: { status?: number; reason?: string; retryAfter?: number } = {},
  ) {
    super(message)
    this.status = status
    this.reason = reason
    this.retryAfter = retryAfter
  }
}

const TOO_FAST = new Set(['rateLimitExceeded', 'userRateLimitExceeded'])
const TIMEOUTS = new Set(['ETIMEDOUT', 'ESOCKETTIMEDOUT'])

/** The failure that an error answer means ("Error responses", Cloud Storage JSON API). */
export function answeredFailure(status: number, body: string, header?: string): GcsFailure {
  const { message, errors } = parseError(body)
  const reason = errors?.[0]?.reason
  return new GcsFailure(message ?? `status ${status}`, {
    status,
    ...(typeof reason === 'string' ? { reason } : {}),
    retryAfter: parseRetryAfter(header),
  })
}

function parseError(body: string): { message?: string; errors?: { reason?: unknown }[] } {
  try {
    const { error } = JSON.parse(body) as { error?: { message?: string; errors?: { reason?: unknown }[] } }
    if (typeof error === 'object') return error
  } catch {
    // Not every answer is JSON: a session's and a proxy's are text.
  }
  return { message: body.slice(0, 200) }
}

/** Anything that a request threw, as a failure. */
export function toFailure(error: unknown): GcsFailure {
  if (error instanceof GcsFailure) return error
  if (!(error instanceof Error)) return new GcsFailure(String(error))
  const { code } = error as NodeJS.ErrnoException
  return new GcsFailure(error.message, typeof code === 'string' ? { reason: code } : {})
}

/** Whether the same request may succeed a moment later. */
export function isTransient(error: StorageError): boolean {
  if (error.code === 'ERR_BACKEND_TIMEOUT') return true
  const failure = failureOf(error)
  if (failure === undefined) return false
  const { status, reason } = failure
  return mayPass({ status, code: reason }) || TOO_FAST.has(reason ?? '')
}

/** Milliseconds that the backend asked to wait. */
export function retryAfter(error: StorageError): number | undefined {
  return failureOf(error)?.retryAfter
}

/** The StorageError for whatever a request threw. One that is a StorageError already comes through. */
export function toStorageError(error: unknown, place: ErrorPlace): StorageError {
  if (StorageError.is(error)) return error
  const failure = toFailure(error)
  const { code, message } = reasonOf(failure, place)
  const { operation, key } = place
  return new StorageError(code, message, { operation, key, cause: failure })
}

/** The failed request behind an error of ours, where there was one. */
export function failureOf(error: unknown): GcsFailure | undefined {
  const cause = StorageError.is(error) ? error.cause : error
  return cause instanceof GcsFailure ? cause : undefined
}

function bucketNotFound(bucket: string): Reason {
  const message = `There is no bucket "${bucket}" here: create it, or correct its name or the endpoint.`
  return { code: 'ERR_BUCKET_NOT_FOUND', message }
}

function reasonOf(failure: GcsFailure, place: ErrorPlace): Reason {
  const { status, reason = 'an unknown error' } = failure
  if (status === undefined) return reasonOfSilence(reason)
  if (TOO_FAST.has(reason) || status === 429 || status === 503)
    return { code: 'ERR_BACKEND', message: 'The storage is busy and asks to slow down. Try again later.' }
  if (status === 404) return missing(failure, place)
  if (status === 401 || status === 403) return denied(status)
  if (status === 412) return { code: 'ERR_FILE_EXISTS', message: 'There is a file under this key already.' }
  if (status === 413)
    return { code: 'ERR_FILE_TOO_LARGE', message: 'The storage does not take a file of this size.' }
  if (status === 416) return { code: 'ERR_RANGE', message: 'The range lies outside of the file.' }
  if (status === 408 || status === 504)
    return { code: 'ERR_BACKEND_TIMEOUT', message: 'The storage did not answer in time.' }
  return {
    code: 'ERR_BACKEND',
    message: `The storage answered ${status} (${reason}). See the error's cause.`,
  }
}

function reasonOfSilence(reason: string): Reason {
  if (TIMEOUTS.has(reason))
    return { code: 'ERR_BACKEND_TIMEOUT', message: 'The storage did not answer in time.' }
  return {
    code: 'ERR_BACKEND',
    message: `The storage could not be reached (${reason}): check the endpoint, its port and the network. See the error's cause.`,
  }
}

/** Both say `notFound`; only the words differ. Calls without a key can miss nothing but the bucket. */
function missing({ message }: GcsFailure, { bucket, key, operation }: ErrorPlace): Reason {
  const isBucket = /bucket does not exist/i.test(message)
  if (isBucket || key === undefined || operation === 'put') return bucketNotFound(bucket)
  return { code: 'ERR_FILE_NOT_FOUND', message: 'There is no such file.' }
}

function denied(status: number): Reason {
  const message =
    status === 401
      ? 'The storage did not accept the credentials: check the key file, and the clock of this machine.'
      : 'The storage refused access: check the roles of the account on the bucket. Without storage.objects.list it also refuses files that are not there.'
  return { code: 'ERR_BACKEND_DENIED', message }
}
