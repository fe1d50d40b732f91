import { StorageError, type StorageErrorCode } from '../../core/errors.js'
import { mayPass, parseRetryAfter } from '../../core/retry.js'

/** What an error happened to. */
export interface ErrorPlace {
  operation: string
  container: string
  key?: string
}

/** The parts of the SDK's RestError, and of Node's errors, that decide. None of them is sure to be there. */
interface SdkError {
  name?: string
  code?: string
  statusCode?: number
  response?: { headers?: { get?: (name: string) => string | undefined } }
}

interface Reason {
  code: StorageErrorCode
  message: string
}

const EXISTS: Reason = { code: 'ERR_FILE_EXISTS', message: 'There is a file under this key already.' }
const NOT_FOUND: Reason = { code: 'ERR_FILE_NOT_FOUND', message: 'There is no such file.' }
const OUTSIDE: Reason = { code: 'ERR_RANGE', message: 'The range lies outside of the file.' }
const TIMEOUT: Reason = { code: 'ERR_BACKEND_TIMEOUT', message: 'The storage did not answer in time.' }
const OVERTAKEN: Reason = {
  code: 'ERR_BACKEND',
  message: 'Another upload to the same key ended first and took the blocks of this one away.',
}
const FROZEN: Reason = {
  code: 'ERR_BACKEND_DENIED',
  message: 'A policy or a legal hold of the container forbids to change this file.',
}
const DENIED: Reason = {
  code: 'ERR_BACKEND_DENIED',
  message:
    'The storage refused access: check the account key or the role ("Storage Blob Data Contributor"), the SAS, and the network rules of the account.',
}

/**
 * The reasons that Azure gives by name ("Blob Storage error codes" and "Common REST API error codes", Azure REST
 * API). Messages are our own: the server's quote signatures and what was signed.
 */
const REASONS: Record<string, Reason> = {
  BlobNotFound: NOT_FOUND,
  CannotVerifyCopySource: NOT_FOUND,
  BlobAlreadyExists: EXISTS,
  ConditionNotMet: EXISTS,
  TargetConditionNotMet: EXISTS,
  InvalidRange: OUTSIDE,
  InvalidBlockList: OVERTAKEN,
  InvalidBlobOrBlock: OVERTAKEN,
  OperationTimedOut: TIMEOUT,
  ETIMEDOUT: TIMEOUT,
  ESOCKETTIMEDOUT: TIMEOUT,
  AuthenticationFailed: {
    code: 'ERR_BACKEND_DENIED',
    message:
      'The storage refused the signature: check the account key, the SAS and the clock of this machine.',
  },
  AuthorizationFailure: DENIED,
  AuthorizationPermissionMismatch: DENIED,
  InsufficientAccountPermissions: DENIED,
  UnauthorizedBlobOverwrite: DENIED,
  AccountIsDisabled: { code: 'ERR_BACKEND_DENIED', message: 'The storage account is disabled.' },
  BlobImmutableDueToPolicy: FROZEN,
  BlobImmutableDueToLegalHold: FROZEN,
  LeaseIdMissing: { code: 'ERR_BACKEND', message: 'Somebody holds a lease on the file: break it first.' },
  BlobArchived: {
    code: 'ERR_BACKEND',
    message: 'The file is archived: bring it back to an online tier first.',
  },
  PendingCopyOperation: { code: 'ERR_BACKEND', message: 'Something is being copied to this key already.' },
  RequestBodyTooLarge: {
    code: 'ERR_FILE_TOO_LARGE',
    message: 'The storage does not take a block of this size: set a smaller blockSize.',
  },
  BlockCountExceedsLimit: { code: 'ERR_FILE_TOO_LARGE', message: 'The file has too many blocks.' },
  ServerBusy: { code: 'ERR_BACKEND', message: 'The storage is busy and asks to slow down. Try again later.' },
  InvalidUri: { code: 'ERR_KEY_INVALID', message: 'Azure cannot hold this key.' },
  InvalidResourceName: { code: 'ERR_CONFIG', message: 'The name of the container is not a valid one.' },
  ENOTFOUND: {
    code: 'ERR_BACKEND',
    message: 'The host of the account was not found: check accountName, endpoint and network.',
  },
  EAI_AGAIN: {
    code: 'ERR_BACKEND',
    message: 'The host of the account was not found: check accountName, endpoint and network.',
  },
  CredentialUnavailableError: {
    code: 'ERR_BACKEND_DENIED',
    message: 'No credentials were found: check the managed identity or the environment of the credential.',
  },
  AuthenticationError: { code: 'ERR_BACKEND_DENIED', message: 'Entra ID refused the credential.' },
  AuthenticationRequiredError: { code: 'ERR_BACKEND_DENIED', message: 'Entra ID refused the credential.' },
}

/** The SDK's names for a request that did not get out, and for an answer that ended in the middle. */
const BROKEN_OFF = new Set(['REQUEST_SEND_ERROR', 'PARSE_ERROR'])

const NO_CONTAINER = new Set(['ContainerNotFound', 'ContainerBeingDeleted', 'ContainerDisabled'])

const BY_STATUS: Record<number, Reason> = {
  401: DENIED,
  403: DENIED,
  404: NOT_FOUND,
  408: TIMEOUT,
  412: EXISTS,
  416: OUTSIDE,
  504: TIMEOUT,
}

/** The StorageError that fits what the SDK threw. One that is a StorageError already stays itself. */
export function toStorageError(error: unknown, place: ErrorPlace): StorageError {
  if (StorageError.is(error)) return error
  const { code, message } = reasonOf(toSdkError(error), place)
  const { operation, key } = place
  return new StorageError(code, message, { operation, key, cause: withoutRequest(error) })
}

/** The HTTP status that the backend answered with, where it did. */
export function statusOf(error: StorageError): number | undefined {
  return toSdkError(error.cause).statusCode
}

/** Whether the same request may well succeed a moment later. */
export function isTransient(error: StorageError): boolean {
  if (error.code === 'ERR_BACKEND_TIMEOUT') return true
  const { statusCode, code } = toSdkError(error.cause)
  return mayPass({ status: statusCode, code }) || (statusCode === undefined && BROKEN_OFF.has(code ?? ''))
}

/** Milliseconds that the backend asked to wait. */
export function retryAfter({ cause }: StorageError): number | undefined {
  return typeof cause === 'object' && cause !== null && 'retryAfter' in cause
    ? parseRetryAfter(cause.retryAfter)
    : undefined
}

function reasonOf(error: SdkError, { container }: ErrorPlace): Reason {
  const status = error.statusCode
  const name = nameOf(error)
  if (name !== undefined && NO_CONTAINER.has(name)) return containerNotFound(container)
  // Azure says CannotVerifyCopySource for a source that is missing (404) and for one it may not read (403).
  if (name === 'CannotVerifyCopySource' && status === 403) return DENIED
  for (const known of [name, error.name]) {
    if (known !== undefined && Object.hasOwn(REASONS, known) && REASONS[known]) return REASONS[known]
  }
  const byStatus = status === undefined ? undefined : BY_STATUS[status]
  if (byStatus !== undefined) return byStatus
  const said = name ?? error.name ?? 'an unknown error'
  // Errors with neither are the SDK's own, about an answer that makes no sense.
  const silence =
    name === undefined
      ? `The storage failed to answer as it should (${said}).`
      : `The storage could not be reached (${said}): check the endpoint, its port and the network.`
  const answer = status === undefined ? silence : `The storage answered ${status} (${said}).`
  return { code: 'ERR_BACKEND', message: `${answer} See the error's cause.` }
}

function containerNotFound(container: string): Reason {
  const message = `There is no container "${container}" here: create it, or correct its name, the accountName or the endpoint.`
  return { code: 'ERR_BUCKET_NOT_FOUND', message }
}

/** Answers to HEAD have no body, but Azure and azurite repeat the name in a header. */
function nameOf({ response, code }: SdkError): string | undefined {
  return response?.headers?.get?.('x-ms-error-code') ?? code
}

/**
 * A RestError leads to its request with the Authorization header, and its text to the string that was signed. What
 * is left says enough to ask Azure's support.
 */
function withoutRequest(error: unknown): unknown {
  const { name, statusCode, response, ...rest } = toSdkError(error)
  if (name !== 'RestError') return error
  const said = nameOf({ response, ...rest })
  const bare = new Error(`${said ?? 'no name'}${statusCode === undefined ? '' : `, status ${statusCode}`}`)
  const requestId = response?.headers?.get?.('x-ms-request-id')
  const retryAfter = response?.headers?.get?.('retry-after')
  return Object.assign(bare, { name: 'RestError', code: said, statusCode, requestId, retryAfter })
}

function toSdkError(error: unknown): SdkError {
  if (typeof error !== 'object' || error === null) return {}
  const { name, code, statusCode, response }: SdkError = error
  return { name, code, statusCode, response }
}
