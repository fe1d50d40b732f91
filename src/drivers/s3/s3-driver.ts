import { CopyObjectCommand, DeleteObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import { untilAborted } from '../../core/abort.js'
import { endBody, takeBody } from '../../core/body.js'
import type {
  CopiedObject,
  CopyFromOptions,
  CopyOptions,
  CopySource,
  DeleteFailure,
  Driver,
  DriverCapabilities,
  GetOptions,
  GetResult,
  ObjectEntry,
  ObjectInfo,
  OpenUpload,
  OperationOptions,
  PutBody,
  PutOptions,
  PutResult,
  SignUrlOptions,
} from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { assertObjectKey } from '../../core/key.js'
import { encodeKey } from '../../core/uri.js'
import type { BucketAddress } from './bucket-address.js'
import { chooseSender } from './choose-sender.js'
import { copyFromBucket } from './copy-from-bucket.js'
import { copyRealm } from './copy-realm.js'
import { deleteObjects } from './delete-objects.js'
import { getObject, toObjectInfo } from './get-object.js'
import { keepHeaders } from './keep-headers.js'
import { listObjects } from './list-objects.js'
import { abortUpload, listUploads } from './open-uploads.js'
import { assertOptions, keptBy, makeClient, resolveLimits, type S3DriverOptions } from './options.js'
import { putObject, type UploadTools } from './put-object.js'
import { S3Calls } from './s3-calls.js'
import { toStorageError } from './s3-errors.js'
import { UrlSigner } from './url-signer.js'
import { type ExpiringCredentials, WarmCredentials } from './warm-credentials.js'

/** A week: "Sharing objects with presigned URLs", Amazon S3 User Guide. */
const MAX_EXPIRES_IN = 604_800

/**
 * Amazon S3 and the services that speak its language.
 *
 * @example
 * new S3Driver({ bucket: 'acme-files', region: 'eu-central-1' })
 * new S3Driver({ bucket: 'acme-files', client: new S3Client({ … }) })
 */
export class S3Driver implements Driver {
  readonly kind: string = 's3'
  readonly capabilities: DriverCapabilities
  readonly bucket: string
  readonly #calls: S3Calls
  readonly #credentials: WarmCredentials
  readonly #ownsClient: boolean
  readonly #transport: 'own' | 'sdk'
  #tools: UploadTools | undefined
  #signer: { by: UrlSigner; credentials: ExpiringCredentials; address: BucketAddress } | undefined
  #ready: Promise<void> | undefined

  /** @throws ERR_CONFIG */
  constructor(options: S3DriverOptions) {
    assertOptions(options)
    const limits = resolveLimits(options)
    this.bucket = options.bucket
    this.capabilities = {
      createOnly: true,
      metadata: true,
      signedUrls: true,
      maxExpiresIn: MAX_EXPIRES_IN,
      ...keptBy(options),
    }
    const client = options.client ?? makeClient(options, limits)
    this.#ownsClient = options.client === undefined
    this.#calls = new S3Calls(client, options.bucket, limits, this.#ownsClient ? 'own' : 'shared')
    this.#transport = options.transport ?? 'own'
    this.#credentials = new WarmCredentials(() => client.config.credentials())
  }

  /**
   * Finds out region, endpoint and credentials, so that `signUrl` need not wait. Sends nothing to the bucket: one
   * that is missing shows at its first use, as `ERR_BUCKET_NOT_FOUND`.
   *
   * @throws ERR_CONFIG for a client that cannot address the bucket, ERR_BACKEND_DENIED without credentials
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
      assertObjectKey(key)
      const tools = this.#tools ?? (await this.#uploadTools('put', options.signal))
      return await putObject(tools, key, body, options)
    } finally {
      endBody(body)
    }
  }

  async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    assertObjectKey(key)
    return getObject(this.#calls, key, options)
  }

  async head(key: string, options: OperationOptions = {}): Promise<ObjectInfo> {
    assertObjectKey(key)
    const { client, bucket } = this.#calls
    const command = new HeadObjectCommand({ Bucket: bucket, Key: key })
    const call = { operation: 'head', key, signal: options.signal }
    return toObjectInfo(await this.#calls.runHead(call, http => client.send(command, http)))
  }

  async delete(key: string, options: OperationOptions = {}): Promise<void> {
    assertObjectKey(key)
    const { client, bucket } = this.#calls
    const command = new DeleteObjectCommand({ Bucket: bucket, Key: key })
    const call = { operation: 'delete', key, signal: options.signal }
    try {
      await this.#calls.run(call, http => client.send(command, http))
    } catch (error) {
      // S3 itself answers 204 for a key that is not there; some of its relatives do not.
      if (!StorageError.is(error, 'ERR_FILE_NOT_FOUND')) throw error
    }
  }

  async deleteMany(
    keys: readonly string[],
    options: OperationOptions = {},
  ): Promise<readonly DeleteFailure[]> {
    for (const key of keys) assertObjectKey(key)
    return deleteObjects(this.#calls, keys, options, key => this.delete(key, options))
  }

  async *listUploads(prefix: string, options: OperationOptions = {}): AsyncGenerator<OpenUpload> {
    assertPrefix(prefix)
    yield* listUploads(this.#calls, prefix, options)
  }

  async abortUpload(key: string, id: string, options: OperationOptions = {}): Promise<void> {
    assertObjectKey(key)
    await abortUpload(this.#calls, key, id, options)
  }

  async *list(prefix: string, options: OperationOptions = {}): AsyncGenerator<ObjectEntry> {
    assertPrefix(prefix)
    yield* listObjects(this.#calls, prefix, options)
  }

  async copy(from: string, to: string, options: CopyOptions = {}): Promise<void> {
    assertObjectKey(from)
    assertObjectKey(to)
    // S3 refuses to copy an object onto itself.
    if (from === to) return void (await this.head(from, options))
    const { client, bucket } = this.#calls
    // The header is taken as it is written, so it must be URL-encoded ("CopyObject", Amazon S3 API Reference).
    const command = new CopyObjectCommand({
      Bucket: bucket,
      Key: to,
      CopySource: `${bucket}/${encodeKey(from)}`,
      ...keepHeaders(options),
    })
    const call = { operation: 'copy', key: from, signal: options.signal, slow: true }
    await this.#calls.run(call, http => client.send(command, http))
  }

  /** @throws ERR_NOT_READY before `ready()` */
  copySource(key: string): CopySource | undefined {
    assertObjectKey(key)
    const realm = copyRealm(this.#calls.home.address, this.bucket, this.#credentials.current())
    return realm === undefined ? undefined : { realm, bucket: this.bucket, key }
  }

  async copyFrom(
    source: CopySource,
    key: string,
    options: CopyFromOptions,
  ): Promise<CopiedObject | undefined> {
    assertObjectKey(source.key)
    assertObjectKey(key)
    const tools = this.#tools ?? (await this.#uploadTools('copyFrom', options.signal))
    if (source.realm !== this.copySource(key)?.realm) return undefined
    return copyFromBucket(tools, source, key, options)
  }

  /**
   * Never outlives the credentials that sign it: temporary ones shorten `expiresIn`.
   *
   * @throws ERR_NOT_READY before `ready()`, and when the credentials expired; ERR_UNSUPPORTED where the endpoint
   *   wants another signature than SigV4; ERR_CONFIG for a life that is not 1 second to a week
   */
  signUrl(key: string, options: SignUrlOptions): string {
    assertObjectKey(key)
    const { expiresIn } = options
    if (!Number.isInteger(expiresIn) || expiresIn < 1 || expiresIn > MAX_EXPIRES_IN) {
      throw new StorageError('ERR_CONFIG', `expiresIn must be 1 to ${MAX_EXPIRES_IN} seconds on S3.`, {
        operation: 'signUrl',
      })
    }
    const credentials = this.#credentials.current()
    const life = secondsLeft(credentials, options.at)
    return this.#signerFor(credentials).sign(
      key,
      expiresIn > life ? { ...options, expiresIn: life } : options,
    )
  }

  signableFor(at: number): number {
    return secondsLeft(this.#credentials.current(), at)
  }

  /** @throws ERR_NOT_READY before `ready()` */
  publicUrl(key: string): string {
    assertObjectKey(key)
    const { origin, pathPrefix } = this.#calls.home.address
    return `${origin}${pathPrefix}${encodeKey(key)}`
  }

  /** Ends the background refresh, and the sockets unless the client is the application's. */
  async close(): Promise<void> {
    this.#credentials.stop()
    this.#ready = undefined
    this.#tools?.sender.close?.()
    if (this.#ownsClient) this.#calls.client.destroy()
  }

  async #prepare(): Promise<void> {
    const { bucket } = this.#calls
    await this.#calls.run({ operation: 'ready' }, async () => {
      try {
        await this.#credentials.warm()
        await this.#calls.home.find()
        await this.#calls.adoptTries()
        const sender = await chooseSender(this.#calls, this.#credentials, this.#transport)
        // Closed meanwhile: what has begun is done all the same, but keeps no connections.
        if (this.#ready === undefined) sender.close?.()
        this.#tools = { calls: this.#calls, sender }
      } catch (error) {
        throw toSetupError(error, bucket)
      }
    })
  }

  async #uploadTools(operation: string, signal: AbortSignal | undefined): Promise<UploadTools> {
    const ready = this.ready()
    await (signal === undefined ? ready : untilAborted(ready, signal))
    if (this.#tools !== undefined) return this.#tools
    throw new StorageError('ERR_NOT_READY', 'The driver was closed while it got ready.', { operation })
  }

  #signerFor(credentials: ExpiringCredentials): UrlSigner {
    const { address } = this.#calls.home
    if (this.#signer?.credentials === credentials && this.#signer.address === address) return this.#signer.by
    if (address.authScheme !== 'sigv4') {
      throw new StorageError(
        'ERR_UNSUPPORTED',
        'This endpoint wants another signature than SigV4, which only the SDK makes.',
      )
    }
    this.#signer = { by: new UrlSigner(address, credentials), credentials, address }
    return this.#signer.by
  }
}

function assertPrefix(prefix: string): void {
  if (prefix === '') return
  if (!prefix.endsWith('/')) throw new StorageError('ERR_KEY_INVALID', 'A prefix is empty or ends with "/".')
  assertObjectKey(prefix.slice(0, -1))
}

function secondsLeft({ expiration }: ExpiringCredentials, at: number): number {
  return expiration === undefined
    ? Number.POSITIVE_INFINITY
    : Math.max(1, Math.floor((expiration.getTime() - at) / 1000))
}

/** What the SDK says before it has sent anything is about the set-up. */
function toSetupError(error: unknown, bucket: string): StorageError {
  const known = toStorageError(error, { operation: 'ready', bucket })
  if (known.code !== 'ERR_BACKEND') return known
  const text =
    error instanceof Error && error.message === 'Region is missing'
      ? 'Set the region.'
      : 'Check region, endpoint, credentials and bucket.'
  return new StorageError('ERR_CONFIG', `The S3 client is not set up completely. ${text}`, {
    operation: 'ready',
    cause: error,
  })
}
