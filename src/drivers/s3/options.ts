import { isIP } from 'node:net'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import {
  assertPositive,
  type CallLimits,
  type CallOptions,
  resolveCallLimits,
} from '../../core/call-limits.js'
import { agentsWithin } from '../../core/connect-timeout.js'
import type { DriverCapabilities, EncryptionAlgorithm } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { sharedUploadMemory, type UploadMemory } from '../../core/upload-memory.js'

/** How a bucket is named in a URL: `https://bucket.host/key` (virtual) or `https://host/bucket/key` (path). */
export type AddressingStyle = 'auto' | 'path' | 'virtual'

export interface S3DriverOptions extends CallOptions {
  bucket: string
  /**
   * The application's own client; `region`, `endpoint`, `credentials`, `addressingStyle`, `connectTimeout` and all about
   * further tries then are the client's business. It is not closed with the driver.
   */
  client?: S3Client
  /** Default: the SDK's own sources (`AWS_REGION`, profile); `us-east-1` beside an `endpoint`. */
  region?: string
  /** Of an S3-compatible service, for example `https://nyc3.digitaloceanspaces.com`. */
  endpoint?: string
  /** Default: the SDK's provider chain, roles included. */
  credentials?: S3ClientConfig['credentials']
  /** Default `auto`: path style for IP addresses and localhost, else virtual-hosted. */
  addressingStyle?: AddressingStyle
  /**
   * Who sends bodies. `own`: requests of this library, which cost a fraction of the CPU time. `sdk`: the AWS client, for
   * one with middleware of the application's own. Everything else goes through the client either way, and so do
   * bodies where our requests cannot: an endpoint that wants another signature than SigV4 (S3 Express, SigV4a), a
   * client that does not send with agents of node. Default `own`.
   */
  transport?: 'own' | 'sdk'
  /**
   * `crc32`: the server compares the CRC-32 of every body with what arrived, and keeps it. Default: `crc32` on AWS,
   * `none` beside the `endpoint` of another service, since not all know the header. Beside a `client` this is its
   * `requestChecksumCalculation`.
   */
  checksum?: 'crc32' | 'none'
  /** The memory for parts on their way. Default: one budget of 160 MiB for all drivers of the process. */
  memory?: UploadMemory
  /** Bytes in one part of a multipart upload, and the largest body that is sent in one request. Default 8 MiB. */
  partSize?: number
  /** Parts of one upload on their way at the same time. Default 3. */
  partsInFlight?: number
  /**
   * Bytes in one part of a copy that the server makes from another bucket, and the largest object that it copies in one
   * request, 5 MiB to 5 GiB. Default 512 MiB.
   */
  copyPartSize?: number
  /**
   * The encryption that the server does on request. Default: all that AWS knows; beside the `endpoint` of another
   * service nothing, since many take the header and ignore it.
   */
  encryption?: readonly EncryptionAlgorithm[]
  /** The server's storage classes. Default: those of AWS; beside the `endpoint` of another service none. */
  storageClasses?: readonly string[]
}

/** The numbers, with every default filled in. */
export interface S3Limits extends CallLimits {
  readonly partSize: number
  readonly partsInFlight: number
  readonly copyPartSize: number
  readonly memory: UploadMemory
}

const MIB = 1024 * 1024

/** "Amazon S3 multipart upload limits", Amazon S3 User Guide. */
export const MIN_PART_SIZE = 5 * MIB
export const MAX_PART_SIZE = 5 * 1024 * MIB
export const MAX_PARTS = 10_000

const CLIENT_OPTIONS = [
  'region',
  'endpoint',
  'credentials',
  'addressingStyle',
  'checksum',
  'connectTimeout',
  'maxAttempts',
  'retryDelay',
  'maxRetryDelay',
  'retryBudget',
] as const

/** @throws ERR_CONFIG */
export function resolveLimits(options: S3DriverOptions): S3Limits {
  const limits = {
    partSize: options.partSize ?? 8 * MIB,
    partsInFlight: options.partsInFlight ?? 3,
    copyPartSize: options.copyPartSize ?? 512 * MIB,
  }
  assertPositive(limits)
  for (const name of ['partSize', 'copyPartSize'] as const) {
    if (limits[name] >= MIN_PART_SIZE && limits[name] <= MAX_PART_SIZE) continue
    throw new StorageError('ERR_CONFIG', `${name} must be 5 MiB to 5 GiB: S3 takes no other parts.`)
  }
  return { ...limits, ...resolveCallLimits(options), memory: options.memory ?? sharedUploadMemory }
}

/** "Understanding and managing Amazon S3 storage classes", Amazon S3 User Guide; without those for other hardware. */
const AWS_STORAGE_CLASSES = [
  'STANDARD',
  'INTELLIGENT_TIERING',
  'STANDARD_IA',
  'ONEZONE_IA',
  'GLACIER_IR',
  'GLACIER',
  'DEEP_ARCHIVE',
  'REDUCED_REDUNDANCY',
]
const AWS_ENCRYPTION: readonly EncryptionAlgorithm[] = ['AES256', 'aws:kms', 'aws:kms:dsse']

/** What the server does when it is asked for it. */
export function keptBy({
  endpoint,
  encryption,
  storageClasses,
}: S3DriverOptions): Pick<DriverCapabilities, 'encryption' | 'storageClasses'> {
  const ofAws = endpoint === undefined || isAws(parseEndpoint(endpoint))
  return {
    encryption: encryption ?? (ofAws ? AWS_ENCRYPTION : []),
    storageClasses: storageClasses ?? (ofAws ? AWS_STORAGE_CLASSES : []),
  }
}

const TRANSPORTS: readonly unknown[] = [undefined, 'own', 'sdk']
const CHECKSUMS: readonly unknown[] = [undefined, 'crc32', 'none']

/** @throws ERR_CONFIG */
export function assertOptions(options: S3DriverOptions): void {
  if (!TRANSPORTS.includes(options.transport))
    throw new StorageError('ERR_CONFIG', 'The transport must be "own" or "sdk".')
  if (!CHECKSUMS.includes(options.checksum))
    throw new StorageError('ERR_CONFIG', 'The checksum must be "crc32" or "none".')
  if (typeof options.bucket !== 'string' || options.bucket === '')
    throw new StorageError('ERR_CONFIG', 'Set the name of the bucket.')
  assertCredentials(options.credentials)
  if (options.endpoint !== undefined && namesBucket(parseEndpoint(options.endpoint), options.bucket)) {
    throw new StorageError(
      'ERR_CONFIG',
      'The endpoint names the bucket as well. Leave it out there: the driver puts it in front of the host or into the path.',
    )
  }
  const doubled = CLIENT_OPTIONS.filter(name => options.client !== undefined && options[name] !== undefined)
  if (doubled.length > 0) {
    throw new StorageError(
      'ERR_CONFIG',
      `Set ${doubled.join(', ')} on the S3Client, or leave the client out.`,
    )
  }
}

/** Keys that are not set in the environment would be sent as they are, and refused in words about something else. */
function assertCredentials(credentials: unknown): void {
  if (typeof credentials !== 'object' || credentials === null) return
  const { accessKeyId, secretAccessKey } = credentials as Record<string, unknown>
  if ([accessKeyId, secretAccessKey].every(key => typeof key === 'string' && key !== '')) return
  throw new StorageError(
    'ERR_CONFIG',
    "The credentials need accessKeyId and secretAccessKey, both not empty. Leave credentials out to use the SDK's own sources.",
  )
}

const BARE_ENDPOINT = /^(s3[.-][\w.-]*amazonaws\.com(\.cn)?|[\w-]+\.digitaloceanspaces\.com)$/

/** `https://acme-files.nyc3.digitaloceanspaces.com` is what the panel of Spaces shows; its requests would name the bucket twice. */
function namesBucket({ hostname, pathname }: URL, bucket: string): boolean {
  if (pathname.replace(/^\/|\/$/g, '') === bucket) return true
  // What is left must be an endpoint itself: a bucket may be called `nyc3`, or `s3`.
  return hostname.startsWith(`${bucket}.`) && BARE_ENDPOINT.test(hostname.slice(bucket.length + 1))
}

/**
 * The client for these options.
 *
 * @throws ERR_CONFIG
 */
export function makeClient(options: S3DriverOptions, limits: S3Limits): S3Client {
  const url = options.endpoint === undefined ? undefined : parseEndpoint(options.endpoint)
  const checksum = options.checksum ?? (url === undefined || isAws(url) ? 'crc32' : 'none')
  const { plain, secure } = agentsWithin(limits.connectTimeout)
  return new S3Client({
    ...(options.region === undefined && url === undefined ? {} : { region: options.region ?? 'us-east-1' }),
    ...(url === undefined ? {} : { endpoint: options.endpoint }),
    ...(checksum === 'crc32' ? {} : WITHOUT_CHECKSUMS),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    forcePathStyle: isPathStyle(options),
    // The tries are those of BackendCalls, as on every driver.
    maxAttempts: 1,
    // The SDK opens a new connection for every request that asks first, and not every server answers it.
    expectContinueHeader: false,
    requestHandler: {
      requestTimeout: limits.requestTimeout,
      throwOnRequestTimeout: true,
      // Its idle timer also ends downloads whose reader pauses; Download has one that does not.
      socketTimeout: 0,
      httpAgent: plain,
      httpsAgent: secure,
    },
  })
}

/** S3-compatible services know none of the newer checksums: Ceph answers 411 to their trailers. */
const WITHOUT_CHECKSUMS = {
  requestChecksumCalculation: 'WHEN_REQUIRED',
  responseChecksumValidation: 'WHEN_REQUIRED',
} as const

function parseEndpoint(endpoint: string): URL {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url
  throw new StorageError(
    'ERR_CONFIG',
    'The endpoint must be a URL, for example "https://nyc3.digitaloceanspaces.com".',
  )
}

/** Whether the address is one of Amazon's own. */
export function isAws({ hostname }: Pick<URL, 'hostname'>): boolean {
  return /\.amazonaws\.com(\.cn)?$/.test(hostname)
}

/**
 * Whether URLs name the bucket in their path. An IP address has no subdomains, and `bucket.localhost` does not
 * resolve everywhere.
 */
export function isPathStyle({
  addressingStyle = 'auto',
  endpoint,
}: Pick<S3DriverOptions, 'addressingStyle' | 'endpoint'>): boolean {
  if (addressingStyle !== 'auto') return addressingStyle === 'path'
  if (endpoint === undefined) return false
  const host = parseEndpoint(endpoint).hostname.replace(/^\[|\]$/g, '')
  return host === 'localhost' || isIP(host) !== 0
}
