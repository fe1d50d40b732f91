import type { Storage } from '@google-cloud/storage'
import { endBody, takeBody } from '../../core/body.js'
import type {
  CopiedObject,
  CopyFromOptions,
  CopyOptions,
  CopySource,
  Driver,
  DriverCapabilities,
  GetOptions,
  GetResult,
  ObjectEntry,
  ObjectInfo,
  OperationOptions,
  PutBody,
  PutOptions,
  PutResult,
  SignUrlOptions,
} from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { assertListPrefix, assertObjectKey } from '../../core/key.js'
import { encodeKey } from '../../core/uri.js'
import { copyFromBucket, copyObject } from './copy-object.js'
import { GcsCalls } from './gcs-calls.js'
import { GcsFailure, toFailure } from './gcs-errors.js'
import { getObject, readResource } from './get-object.js'
import { listObjects } from './list-objects.js'
import {
  assertOptions,
  type GcsDriverOptions,
  type GcsServiceAccount,
  isAnonymous,
  makeClient,
  resolveLimits,
} from './options.js'
import { putObject } from './put-object.js'
import { RemoteSigner } from './remote-signer.js'
import { toObjectInfo } from './resource.js'
import { hmacKey, rsaKey, type SigningKey } from './signing-key.js'
import { UrlSigner } from './url-signer.js'

/** A week: "Signed URLs", Cloud Storage documentation. */
const MAX_EXPIRES_IN = 604_800
/**
 * Twelve hours: a key of IAM's stays good for at least as long after it signed ("Method:
 * projects.serviceAccounts.signBlob", IAM documentation).
 */
const MAX_REMOTE_EXPIRES_IN = 43_200

const CAPABILITIES: DriverCapabilities = {
  createOnly: true,
  metadata: true,
  signedUrls: true,
  maxExpiresIn: MAX_EXPIRES_IN,
  encryption: ['gcp:kms'],
  // "Storage classes", Cloud Storage documentation
  storageClasses: ['STANDARD', 'NEARLINE', 'COLDLINE', 'ARCHIVE'],
}

/**
 * Google Cloud Storage. Credentials and endpoint are those of `@google-cloud/storage`.
 *
 * @example
 * new GcsDriver({ bucket: 'acme-files', keyFile: '/run/secrets/gcs.json' })
 * new GcsDriver({ bucket: 'acme-files', hmac: { accessId, secret } })
 */
export class GcsDriver implements Driver {
  readonly kind = 'gcs'
  /**
   * Without a private key or an HMAC key no URL is signed without waiting; `maxExpiresIn` then is that of
   * {@link signUrlRemotely}. Keys from a file or the environment are known after `ready()`.
   */
  capabilities: DriverCapabilities = { ...CAPABILITIES, signedUrls: false, maxExpiresIn: null }
  readonly bucket: string
  /**
   * Absent without a key that signs; the library then signs addresses of its own `serveFiles`.
   *
   * @throws ERR_KEY_INVALID; ERR_CONFIG for a life that is not 1 second to a week
   */
  signUrl?: (key: string, options: SignUrlOptions) => string
  /**
   * Signs by asking Google's IAM, after `ready()` and where the credentials hold no key. The same URL is asked for once.
   *
   * @throws ERR_KEY_INVALID; ERR_CONFIG for a life that is not 1 second to 12 hours; ERR_BACKEND_DENIED without the
   *   permission `iam.serviceAccounts.signBlob`; ERR_UNSUPPORTED for credentials that name no service account
   */
  signUrlRemotely?: (key: string, options: SignUrlOptions & OperationOptions) => Promise<string>
  readonly #options: Readonly<GcsDriverOptions>
  readonly #calls: GcsCalls
  readonly #client: Storage
  #ready: Promise<void> | undefined

  /** @throws ERR_CONFIG */
  constructor(options: GcsDriverOptions) {
    assertOptions(options)
    const limits = resolveLimits(options)
    this.#options = options
    this.#client = options.client ?? makeClient(options)
    this.bucket = options.bucket
    this.#calls = new GcsCalls(this.#client, options.bucket, limits)
    if (options.hmac !== undefined) this.#signWith(hmacKey(options.hmac))
    else if (options.credentials !== undefined) this.#signWith(rsaKey(options.credentials))
  }

  /**
   * Finds the credentials, and among them the key that signs URLs. Sends nothing to the bucket: one that is missing
   * shows at its first use, as `ERR_BUCKET_NOT_FOUND`.
   *
   * @throws ERR_CONFIG for a key file that cannot be read, ERR_BACKEND_DENIED without credentials
   */
  ready(): Promise<void> {
    this.#ready ??= this.#prepare().catch((error: unknown) => {
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }

  async put(key: string, body: PutBody, options: PutOptions): Promise<PutResult> {
    takeBody(body)
    try {
      assertKey(key)
      return await putObject(this.#calls, key, body, options)
    } finally {
      endBody(body)
    }
  }

  async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    assertKey(key)
    return getObject(this.#calls, key, options)
  }

  async head(key: string, options: OperationOptions = {}): Promise<ObjectInfo> {
    assertKey(key)
    return toObjectInfo(await readResource(this.#calls, { operation: 'head', key, signal: options.signal }))
  }

  async delete(key: string, options: OperationOptions = {}): Promise<void> {
    assertKey(key)
    const call = { operation: 'delete', key, signal: options.signal }
    try {
      await this.#calls.send(call, { method: 'DELETE', url: this.#calls.objectUrl(key) })
    } catch (error) {
      if (!StorageError.is(error, 'ERR_FILE_NOT_FOUND')) throw error
    }
  }

  async *list(prefix: string, options: OperationOptions = {}): AsyncGenerator<ObjectEntry> {
    assertListPrefix(prefix)
    yield* listObjects(this.#calls, prefix, options)
  }

  async copy(from: string, to: string, { signal, ...keep }: CopyOptions = {}): Promise<void> {
    assertKey(from)
    assertKey(to)
    // Nothing to move; a rewrite in place would only make a new generation.
    if (from === to) return void (await this.head(from, { signal }))
    await copyObject(this.#calls, to, { operation: 'copy', key: from, signal }, keep)
  }

  /** Names of buckets are the same for everybody; who may read one is the service's answer. */
  copySource(key: string): CopySource {
    assertKey(key)
    return { realm: `gcs ${this.#client.apiEndpoint}`, bucket: this.bucket, key }
  }

  async copyFrom(
    source: CopySource,
    key: string,
    options: CopyFromOptions,
  ): Promise<CopiedObject | undefined> {
    assertKey(source.key)
    if (source.realm !== this.copySource(key).realm) return undefined
    return copyFromBucket(this.#calls, source, key, options)
  }

  publicUrl(key: string): string {
    assertKey(key)
    return `${this.#client.apiEndpoint}/${this.#calls.bucket}/${encodeKey(key)}`
  }

  /** Ends the sockets. */
  async close(): Promise<void> {
    this.#ready = undefined
    this.#calls.close()
  }

  async #prepare(): Promise<void> {
    if (isAnonymous(this.#client)) return
    const account = await this.#calls.run({ operation: 'ready' }, async () => {
      try {
        return keyOf(await this.#client.authClient.getClient())
      } catch (error) {
        throw toSetupError(error)
      }
    })
    if (this.signUrl !== undefined) return
    if (account === undefined) this.#signRemotely()
    else this.#signWith(rsaKey(account))
  }

  #signWith(key: SigningKey): void {
    const signer = new UrlSigner(this.#client.apiEndpoint, this.#calls.bucket, key)
    this.capabilities = CAPABILITIES
    this.signUrl = (objectKey, options) => {
      assertKey(objectKey)
      assertLife(options.expiresIn, MAX_EXPIRES_IN)
      return signer.sign(objectKey, options)
    }
  }

  #signRemotely(): void {
    if (this.signUrlRemotely !== undefined) return
    const signer = new RemoteSigner(this.#calls, this.#options)
    this.capabilities = { ...CAPABILITIES, signedUrls: false, maxExpiresIn: MAX_REMOTE_EXPIRES_IN }
    this.signUrlRemotely = async (objectKey, options) => {
      assertKey(objectKey)
      assertLife(options.expiresIn, MAX_REMOTE_EXPIRES_IN)
      return signer.sign(objectKey, options)
    }
  }
}

/** @throws ERR_KEY_INVALID, also for what Cloud Storage keeps for itself ("Object naming", its documentation) */
function assertKey(key: string): void {
  assertObjectKey(key)
  if (key.startsWith('.well-known/acme-challenge/'))
    throw new StorageError(
      'ERR_KEY_INVALID',
      'Cloud Storage takes no key below ".well-known/acme-challenge/".',
    )
}

function assertLife(expiresIn: number, max: number): void {
  if (Number.isInteger(expiresIn) && expiresIn >= 1 && expiresIn <= max) return
  const message = `expiresIn must be 1 to ${max} seconds with these credentials of Cloud Storage.`
  throw new StorageError('ERR_CONFIG', message, { operation: 'signUrl' })
}

/** A service account's key, where the client has one: a `JWT` of google-auth-library. */
function keyOf(client: object): GcsServiceAccount | undefined {
  const { email, key, keyFile } = client as Record<'email' | 'key' | 'keyFile', unknown>
  if (typeof email === 'string' && typeof key === 'string') return { client_email: email, private_key: key }
  // What the library makes of a file that is no JSON: it takes it for a bare key, and fails at its first use.
  if (typeof keyFile === 'string' && email === undefined) throw new Error('no JSON')
  return undefined
}

/** Only the kind of error goes on as the cause: a message about broken JSON quotes the key file. */
function toSetupError(error: unknown): StorageError {
  const failure = toFailure(error)
  const hasNone = /could not load the default credentials/i.test(failure.message)
  const message = hasNone
    ? 'There are no credentials for Cloud Storage: set keyFile, credentials or GOOGLE_APPLICATION_CREDENTIALS, or give this machine a service account.'
    : 'The credentials for Cloud Storage cannot be read: check the key file and what it refers to.'
  return new StorageError(hasNone ? 'ERR_BACKEND_DENIED' : 'ERR_CONFIG', message, {
    operation: 'ready',
    cause: new GcsFailure(failure.reason ?? (error instanceof Error ? error.name : 'unknown')),
  })
}
