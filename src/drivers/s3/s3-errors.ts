import { StorageError, type StorageErrorCode } from '../../core/errors.js'
import { mayPass, parseRetryAfter } from '../../core/retry.js'

/** What an error happened to. */
export interface ErrorPlace {
  operation: string
  bucket: string
  key?: string
}

/** The parts of the SDK's errors, and of Node's, that decide. None of them is sure to be there. */
interface SdkError {
  name?: string
  code?: string
  Code?: string
  /** Of the bucket, in S3's AuthorizationHeaderMalformed. */
  Region?: string
  $metadata?: { httpStatusCode?: number }
  $response?: { headers?: Record<string, string>; body?: unknown }
}

interface Reason {
  code: StorageErrorCode
  message: string
}

/**
 * The reasons that S3 gives by name ("Error responses", Amazon S3 API Reference). Messages are our own: the
 * server's may quote signatures and key ids.
 */
const REASONS: Record<string, Reason> = {
  NoSuchKey: { code: 'ERR_FILE_NOT_FOUND', message: 'There is no such file.' },
  InvalidRange: { code: 'ERR_RANGE', message: 'The range lies outside of the file.' },
  PreconditionFailed: { code: 'ERR_FILE_EXISTS', message: 'There is a file under this key already.' },
  ConditionalRequestConflict: {
    code: 'ERR_FILE_EXISTS',
    message: 'Another upload to this key is under way.',
  },
  EntityTooLarge: { code: 'ERR_FILE_TOO_LARGE', message: 'The storage does not take a file of this size.' },
  QuotaExceeded: { code: 'ERR_DISK_FULL', message: 'The quota of the bucket or its owner is used up.' },
  SlowDown: { code: 'ERR_BACKEND', message: 'The storage is busy and asks to slow down. Try again later.' },
  // node's name for what is no TLS, and ours for what is no HTTP
  EPROTO: {
    code: 'ERR_BACKEND',
    message:
      'The server does not speak as S3 does: check the endpoint, whether it is http or https, and what lies between.',
  },
  RequestTimeTooSkewed: {
    code: 'ERR_BACKEND',
    message: 'The clock of this machine is wrong: set it, for example by NTP.',
  },
  NoSuchUpload: {
    code: 'ERR_BACKEND',
    message: 'The multipart upload was aborted by somebody else, or expired.',
  },
  CredentialsProviderError: {
    code: 'ERR_BACKEND_DENIED',
    message: 'No credentials were found: set access key and secret, or a role.',
  },
  InvalidAccessKeyId: { code: 'ERR_BACKEND_DENIED', message: 'The storage does not know the access key.' },
  SignatureDoesNotMatch: {
    code: 'ERR_BACKEND_DENIED',
    message: 'The signature is wrong: check the secret key.',
  },
  ExpiredToken: {
    code: 'ERR_BACKEND_DENIED',
    message: 'The credentials expired: check the role or the session token.',
  },
  InvalidToken: { code: 'ERR_BACKEND_DENIED', message: 'The session token is not valid.' },
  NotImplemented: {
    code: 'ERR_UNSUPPORTED',
    message: 'The storage cannot do this. Ceph, for example, copies no object that it encrypted on request.',
  },
  InvalidBucketName: { code: 'ERR_CONFIG', message: 'The name of the bucket is not a valid one.' },
}

const TIMEOUTS = new Set([
  'TimeoutError',
  'ETIMEDOUT',
  'ESOCKETTIMEDOUT',
  'RequestTimeout',
  'UND_ERR_CONNECT_TIMEOUT',
])
const WRONG_REGION = new Set([
  'PermanentRedirect',
  'TemporaryRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
])
/** Whatever their status is. After a wrong clock the SDK sets its own by the answer, and signs anew. */
const PASSING = new Set(['SlowDown', 'InternalError', 'RequestTimeTooSkewed'])
/** Node's names for a certificate that does not prove who is there ("X509 certificate error codes", node:tls). */
const CERTIFICATE =
  /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(GET|VERIFY)_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA)/
const NO_HOST = new Set(['ENOTFOUND', 'EAI_AGAIN'])

/** The elements of an error's answer that quote nothing secret ("Error responses", Amazon S3 API Reference). */
export const LOGGABLE: ReadonlySet<string> = new Set([
  ...['name', 'message', 'stack', 'code', 'Code', 'Message', 'Type'],
  ...['RequestId', 'HostId', 'Region', 'Endpoint', 'Resource', 'Bucket', 'BucketName', 'Key'],
  ...['Condition', 'Method', 'ResourceType', 'RequestTime', 'ServerTime', 'MaxAllowedSkewMilliseconds'],
])

/** The StorageError that fits what the SDK threw. One that is a StorageError already stays itself. */
export function toStorageError(error: unknown, place: ErrorPlace): StorageError {
  if (StorageError.is(error)) return error
  const sdkError = toSdkError(error)
  const { code, message } = reasonOf(sdkError, place)
  if (sdkError.$response !== undefined) dropQuotes(sdkError)
  const { operation, key } = place
  return new StorageError(code, message, { operation, key, cause: error })
}

/**
 * The SDK hangs every element of the answer on its error, and S3 quotes there what it was sent: the session token
 * (`Token-0`, and in `CanonicalRequest`), the access key, the signature. What may be logged stays.
 */
function dropQuotes(error: SdkError): void {
  for (const field of Object.keys(error)) {
    if (!field.startsWith('$') && !LOGGABLE.has(field)) Reflect.deleteProperty(error, field)
  }
  // The answer's body leads to its request and the Authorization header in it. It is not enumerable, but error
  // reporters exist that print what is not.
  if (error.$response !== undefined) error.$response.body = undefined
}

/** The HTTP status that the backend answered with, where it did. */
export function statusOf(error: unknown): number | undefined {
  return causeOf(error).$metadata?.httpStatusCode
}

/** Whether the same request may well succeed a moment later. */
export function isTransient(error: StorageError): boolean {
  if (error.code === 'ERR_BACKEND_TIMEOUT') return true
  const cause = causeOf(error)
  for (const name of namesOf(cause)) if (PASSING.has(name)) return true
  return mayPass({ status: cause.$metadata?.httpStatusCode, code: cause.code })
}

/** Milliseconds that the backend asked to wait. */
export function retryAfter(error: StorageError): number | undefined {
  return parseRetryAfter(causeOf(error).$response?.headers?.['retry-after'])
}

/** The region that the bucket lies in, where the answer says that it is not the one that was asked. */
export function regionOf(error: unknown): string | undefined {
  const cause = causeOf(error)
  const status = cause.$metadata?.httpStatusCode
  return status === 301 || status === 307 || status === 400 ? bucketRegion(cause) : undefined
}

/** Whether a HEAD may have missed the bucket just as well as the key: its answers have no body to say which. */
export function isBareNotFound(error: unknown): boolean {
  return statusOf(error) === 404 && !namesOf(causeOf(error)).has('NoSuchKey')
}

export function bucketNotFound(place: ErrorPlace, cause: unknown): StorageError {
  const { operation, key, bucket } = place
  const message = `There is no bucket "${bucket}" here: create it, or correct its name, the region or the endpoint.`
  return new StorageError('ERR_BUCKET_NOT_FOUND', message, { operation, key, cause })
}

function reasonOf(error: SdkError, place: ErrorPlace): Reason {
  const names = namesOf(error)
  for (const name of names) {
    if (name === 'NoSuchBucket') return bucketNotFound(place, error)
    const reason = Object.hasOwn(REASONS, name) ? REASONS[name] : undefined
    if (reason !== undefined) return reason
    if (TIMEOUTS.has(name))
      return { code: 'ERR_BACKEND_TIMEOUT', message: 'The storage did not answer in time.' }
    if (WRONG_REGION.has(name)) return wrongRegion(error, place)
    if (NO_HOST.has(name)) return noHost()
    if (CERTIFICATE.test(name)) return badCertificate(name)
  }
  return reasonOfStatus(error, place)
}

/** For answers without a body (HEAD) and for servers with names of their own. */
function reasonOfStatus(error: SdkError, place: ErrorPlace): Reason {
  const status = error.$metadata?.httpStatusCode
  if (status === 404) return { code: 'ERR_FILE_NOT_FOUND', message: 'There is no such file.' }
  if (status === 403 || status === 401) return denied()
  if (status === 412) return { code: 'ERR_FILE_EXISTS', message: 'There is a file under this key already.' }
  if (status === 416) return { code: 'ERR_RANGE', message: 'The range lies outside of the file.' }
  if (status === 301 || status === 307) return wrongRegion(error, place)
  if (status === 504 || status === 408)
    return { code: 'ERR_BACKEND_TIMEOUT', message: 'The storage did not answer in time.' }
  if (status === 507) return { code: 'ERR_DISK_FULL', message: 'The storage is full.' }
  if (status === 400 && bucketRegion(error) !== undefined) return wrongRegion(error, place)
  const said = error.Code ?? error.code ?? error.name ?? 'an unknown error'
  const answer =
    status === undefined
      ? `The storage could not be reached (${said}): check the endpoint, its port and the network.`
      : `The storage answered ${status} (${said}).`
  const advice = status === 400 ? ' Check the region and whether the credentials expired.' : ''
  return { code: 'ERR_BACKEND', message: `${answer}${advice} See the error's cause.` }
}

function denied(): Reason {
  const message =
    'The storage refused access: check the keys and the policy of the bucket. Without s3:ListBucket it also refuses files that are not there.'
  return { code: 'ERR_BACKEND_DENIED', message }
}

function wrongRegion(error: SdkError, { bucket }: ErrorPlace): Reason {
  const region = bucketRegion(error)
  const where = region === undefined ? 'another region' : `the region "${region}"`
  return {
    code: 'ERR_BACKEND',
    message: `The bucket "${bucket}" lies in ${where}: set region and endpoint to it.`,
  }
}

function noHost(): Reason {
  const message =
    'The host of the endpoint was not found: check endpoint, region and network. Where buckets have no host of their own, set addressingStyle to "path".'
  return { code: 'ERR_BACKEND', message }
}

function badCertificate(name: string): Reason {
  const message = `The certificate of the endpoint does not prove who it is (${name}): check the host of the endpoint. An authority of your own is made known by NODE_EXTRA_CA_CERTS, or by the agent of an S3Client.`
  return { code: 'ERR_BACKEND', message }
}

function bucketRegion(error: SdkError): string | undefined {
  const region = error.Region ?? error.$response?.headers?.['x-amz-bucket-region']
  return typeof region === 'string' && /^[\w-]{1,32}$/.test(region) ? region : undefined
}

function namesOf(error: SdkError): Set<string> {
  return new Set([error.Code, error.name, error.code].filter(name => name !== undefined))
}

/** What the SDK threw. */
function causeOf(error: unknown): SdkError {
  return toSdkError(StorageError.is(error) ? error.cause : error)
}

function toSdkError(error: unknown): SdkError {
  return typeof error === 'object' && error !== null ? error : {}
}
