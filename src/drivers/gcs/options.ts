import { Storage } from '@google-cloud/storage'
import {
  assertPositive,
  type CallLimits,
  type CallOptions,
  resolveCallLimits,
} from '../../core/call-limits.js'
import { StorageError } from '../../core/errors.js'

/** A service account's key, as in the JSON file that the Google Cloud console gives out. */
export interface GcsServiceAccount {
  client_email: string
  /** PEM, with real line breaks. */
  private_key: string
}

/** An HMAC key of a service account ("HMAC keys", Cloud Storage documentation). */
export interface GcsHmacKey {
  accessId: string
  secret: string
}

export interface GcsDriverOptions extends CallOptions {
  bucket: string
  /** Default: the one of the credentials. */
  projectId?: string
  /** Path of a key file. Default: Application Default Credentials, roles included. */
  keyFile?: string
  /** A service account's key, instead of a file. */
  credentials?: GcsServiceAccount
  /** Signs URLs, much faster than a service account's key does. Requests still need other credentials. */
  hmac?: GcsHmacKey
  /**
   * E-mail of the service account whose signature IAM is asked for where no key is at hand. Default: the account of the
   * credentials. It must be allowed to read the bucket.
   */
  signingAccount?: string
  /** Of a private endpoint of the IAM Service Account Credentials API; it gets the credentials' token. Default: Google's. */
  iamEndpoint?: string
  /**
   * The application's own client; `projectId`, `keyFile`, `credentials` and `endpoint` then are the client's
   * business.
   */
  client?: Storage
  /**
   * Of a regional endpoint, a private one or an emulator. Outside of `googleapis.com`, requests to it are anonymous
   * unless there are `keyFile` or `credentials`.
   */
  endpoint?: string
  /**
   * Bytes in one request of a resumable upload, and the largest body that is sent in one request: a multiple of
   * 256 KiB. An upload holds one of them in memory. Default 8 MiB.
   */
  chunkSize?: number
}

/** The numbers, with every default filled in. */
export interface GcsLimits extends CallLimits {
  readonly chunkSize: number
}

/** "Resumable uploads" (chunk size), Cloud Storage documentation. */
const CHUNK_UNIT = 256 * 1024

const CLIENT_OPTIONS = ['projectId', 'keyFile', 'credentials', 'endpoint'] as const

/** @throws ERR_CONFIG */
export function resolveLimits(options: GcsDriverOptions): GcsLimits {
  const limits = {
    chunkSize: options.chunkSize ?? 32 * CHUNK_UNIT,
  }
  assertPositive(limits)
  if (limits.chunkSize % CHUNK_UNIT !== 0)
    throw new StorageError(
      'ERR_CONFIG',
      'chunkSize must be a multiple of 256 KiB: Cloud Storage takes no other.',
    )
  return { ...limits, ...resolveCallLimits(options) }
}

/** @throws ERR_CONFIG */
export function assertOptions(options: GcsDriverOptions): void {
  // The name goes into paths as it is ("Bucket naming requirements", Cloud Storage documentation).
  if (typeof options.bucket !== 'string' || !/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(options.bucket)) {
    throw new StorageError(
      'ERR_CONFIG',
      'Set the name of the bucket: 3 or more lowercase letters, digits, "-", "_" or ".".',
    )
  }
  const doubled = CLIENT_OPTIONS.filter(name => options.client !== undefined && options[name] !== undefined)
  if (doubled.length > 0)
    throw new StorageError('ERR_CONFIG', `Set ${doubled.join(', ')} on the Storage client, or leave it out.`)
  if (options.keyFile !== undefined && options.credentials !== undefined)
    throw new StorageError('ERR_CONFIG', 'Set keyFile or credentials, not both.')
  const { hmac } = options
  if (hmac !== undefined && (!hmac.accessId || !hmac.secret))
    throw new StorageError('ERR_CONFIG', 'Set accessId and secret of the HMAC key.')
  const { signingAccount, iamEndpoint } = options
  if (signingAccount !== undefined && !/^[^@\s]+@[^@\s]+$/.test(signingAccount))
    throw new StorageError('ERR_CONFIG', 'signingAccount must be the e-mail of a service account.')
  if (iamEndpoint !== undefined) assertEndpoint(iamEndpoint)
}

/**
 * The client for these options. It sends nothing itself: it holds the endpoint and the credentials.
 *
 * @throws ERR_CONFIG
 */
export function makeClient({ projectId, keyFile, credentials, endpoint }: GcsDriverOptions): Storage {
  if (endpoint !== undefined) assertEndpoint(endpoint)
  return new Storage({
    ...(projectId === undefined ? {} : { projectId }),
    ...(keyFile === undefined ? {} : { keyFilename: keyFile }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(endpoint === undefined ? {} : { apiEndpoint: endpoint }),
    useAuthWithCustomEndpoint: keyFile !== undefined || credentials !== undefined || isGoogles(endpoint),
  })
}

/** Regional and private endpoints are Google itself. A token goes nowhere else unless keys were given for it. */
function isGoogles(endpoint: string | undefined): boolean {
  return endpoint !== undefined && /\.googleapis\.com$/.test(new URL(endpoint).hostname)
}

/** Whether requests go without credentials: the SDK's rule for emulators. */
export function isAnonymous(client: Storage): boolean {
  return client.customEndpoint && client.useAuthWithCustomEndpoint !== true
}

function assertEndpoint(endpoint: string): void {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return
  throw new StorageError(
    'ERR_CONFIG',
    'The endpoint must be a URL, for example "https://storage.europe-west3.rep.googleapis.com".',
  )
}
