import { BlobServiceClient } from '@azure/storage-blob'
import { endBody } from '../../core/body.js'
import type { BackendAgents } from '../../core/connect-timeout.js'
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
import { assertListPrefix } from '../../core/key.js'
import { encodeKey } from '../../core/uri.js'
import { AzureCalls } from './azure-calls.js'
import { assertAzureKey } from './azure-key.js'
import { inByteOrder } from './byte-order.js'
import { copyBlob } from './copy-blob.js'
import { copyFromContainer } from './copy-from-container.js'
import { DelegationKeys } from './delegation-key.js'
import { getBlob, toObjectInfo } from './get-blob.js'
import { listBlobs } from './list-blobs.js'
import { type AzureDriverOptions, accountUrl, connect, resolveLimits } from './options.js'
import { putBlob } from './put-blob.js'
import { SasSigner, type SigningKey } from './sas-signer.js'

/**
 * A week: the life of a user delegation key ("Get User Delegation Key", Azure REST API). For a SAS by account key
 * Azure has no limit ("Create a service SAS"); ours is the same, since such a SAS can only be taken back by changing
 * the account's key.
 */
const MAX_EXPIRES_IN = 604_800

/**
 * Azure Blob Storage, one container of it.
 *
 * @example
 * new AzureDriver({ container: 'files', accountName: 'acme', accountKey: '…' })
 * new AzureDriver({ container: 'files', accountName: 'acme', credential: new DefaultAzureCredential() })
 */
export class AzureDriver implements Driver {
  readonly kind: string = 'azure'
  readonly capabilities: DriverCapabilities
  readonly bucket: string
  /**
   * A SAS of one blob. Not there where the `client` has neither account key nor token credential. A PUT must send
   * the header `x-ms-blob-type: BlockBlob`. By Entra ID, no URL outlives the key that signs it.
   *
   * @throws ERR_NOT_READY before `ready()`, and when the user delegation key expired; ERR_CONFIG for a life that is
   *   not 1 second to a week
   */
  readonly signUrl?: (key: string, options: SignUrlOptions) => string
  /** What is left of the user delegation key; not there with an account key, which lasts. */
  readonly signableFor?: (at: number) => number
  readonly #calls: AzureCalls
  readonly #agents: BackendAgents | undefined
  readonly #delegation: DelegationKeys | undefined
  #ready: Promise<void> | undefined

  /** @throws ERR_CONFIG */
  constructor(options: AzureDriverOptions) {
    const limits = resolveLimits(options)
    const connection = connect(options, limits)
    const ownership = options.client === undefined ? 'own' : 'shared'
    this.#calls = new AzureCalls(connection.client, limits, ownership)
    const { signWith, agents } = connection
    this.#agents = agents
    const signedUrls = signWith !== undefined
    if (signWith instanceof BlobServiceClient) {
      const keys = this.#delegationOf(signWith)
      this.#delegation = keys
      this.signableFor = at => Math.max(1, Math.floor((keys.current().signedExpiresOn.getTime() - at) / 1000))
      this.signUrl = this.#signUrlBy(() => ({ delegated: keys.current() }))
    } else if (signedUrls) {
      this.signUrl = this.#signUrlBy(() => ({ account: signWith }))
    }
    this.bucket = options.container
    this.capabilities = {
      createOnly: true,
      metadata: true,
      signedUrls,
      maxExpiresIn: signedUrls ? MAX_EXPIRES_IN : null,
      encryption: ['azure:scope'],
      // "Access tiers for blob data", Azure documentation
      storageClasses: ['Hot', 'Cool', 'Cold', 'Archive'],
    }
  }

  /**
   * Gets the user delegation key, so that `signUrl` need not wait. With an account key it sends nothing: a container
   * that is missing shows at its first use, as `ERR_BUCKET_NOT_FOUND`.
   *
   * @throws ERR_BACKEND_DENIED without the role "Storage Blob Delegator"
   */
  ready(): Promise<void> {
    this.#ready ??= this.#prepare().catch((error: unknown) => {
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }

  async put(key: string, body: PutBody, options: PutOptions): Promise<PutResult> {
    try {
      assertAzureKey(key)
    } catch (error) {
      endBody(body)
      throw error
    }
    return putBlob(this.#calls, key, body, options)
  }

  async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    assertAzureKey(key)
    return getBlob(this.#calls, key, options)
  }

  async head(key: string, { signal }: OperationOptions = {}): Promise<ObjectInfo> {
    assertAzureKey(key)
    const blob = this.#calls.client.getBlobClient(key)
    const call = { operation: 'head', key, signal }
    return toObjectInfo(await this.#calls.run(call, abortSignal => blob.getProperties({ abortSignal })))
  }

  async delete(key: string, { signal }: OperationOptions = {}): Promise<void> {
    assertAzureKey(key)
    const blob = this.#calls.client.getBlobClient(key)
    try {
      // Azure keeps a blob that has snapshots unless they are to go as well.
      await this.#calls.run({ operation: 'delete', key, signal }, abortSignal =>
        blob.delete({ abortSignal, deleteSnapshots: 'include' }),
      )
    } catch (error) {
      if (!StorageError.is(error, 'ERR_FILE_NOT_FOUND')) throw error
    }
  }

  /** Also throws ERR_UNSUPPORTED where the account has a hierarchical namespace, whose order is another one. */
  async *list(prefix: string, options: OperationOptions = {}): AsyncGenerator<ObjectEntry> {
    assertListPrefix(prefix)
    yield* inByteOrder(listBlobs(this.#calls, prefix, options))
  }

  async copy(from: string, to: string, options: CopyOptions = {}): Promise<void> {
    assertAzureKey(from)
    assertAzureKey(to)
    if (from === to) return void (await this.head(from, options))
    if (options.encryption === undefined) return copyBlob(this.#calls, from, to, options)
    // A copy on the server cannot name an encryption scope ("Copy Blob", Azure REST API), so the bytes come and go.
    const { body, info } = await this.get(from, options)
    const { size, contentType, contentDisposition, cacheControl } = info
    await this.put(to, body, { ...options, size, contentType, contentDisposition, cacheControl })
  }

  /** Undefined with a client whose SAS is for one container: the account would not let it read another. */
  copySource(key: string): CopySource | undefined {
    assertAzureKey(key)
    if (!this.capabilities.signedUrls) return undefined
    return { realm: `azure ${accountUrl(this.#calls.client)}`, bucket: this.bucket, key }
  }

  /** Not with an encryption scope, which a copy on the server cannot name ("Copy Blob", Azure REST API). */
  async copyFrom(
    source: CopySource,
    key: string,
    options: CopyFromOptions,
  ): Promise<CopiedObject | undefined> {
    assertAzureKey(source.key)
    assertAzureKey(key)
    if (options.encryption !== undefined || source.realm !== this.copySource(key)?.realm) return undefined
    return copyFromContainer(this.#calls, source, key, options)
  }

  publicUrl(key: string): string {
    assertAzureKey(key)
    const { origin, pathname } = new URL(this.#calls.client.url)
    return `${origin}${pathname}/${encodeKey(key)}`
  }

  /** Ends the background refresh, and the sockets unless the client is the application's. */
  async close(): Promise<void> {
    this.#delegation?.stop()
    this.#agents?.destroy()
    this.#ready = undefined
  }

  async #prepare(): Promise<void> {
    await this.#delegation?.warm()
  }

  #delegationOf(service: BlobServiceClient): DelegationKeys {
    return new DelegationKeys((startsOn, expiresOn) =>
      this.#calls.run({ operation: 'ready' }, abortSignal =>
        service.getUserDelegationKey(startsOn, expiresOn, { abortSignal }),
      ),
    )
  }

  #signUrlBy(signingKey: () => SigningKey): (key: string, options: SignUrlOptions) => string {
    const signer = new SasSigner(this.#calls.client)
    return (key, options) => {
      assertAzureKey(key)
      const { expiresIn } = options
      if (!Number.isInteger(expiresIn) || expiresIn < 1 || expiresIn > MAX_EXPIRES_IN) {
        throw new StorageError('ERR_CONFIG', `expiresIn must be 1 to ${MAX_EXPIRES_IN} seconds on Azure.`, {
          operation: 'signUrl',
        })
      }
      return signer.sign(key, options, signingKey())
    }
  }
}
