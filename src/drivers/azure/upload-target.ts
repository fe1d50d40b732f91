import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BlobGetPropertiesResponse, BlockBlobClient } from '@azure/storage-blob'
import type { BackendCall } from '../../core/backend-calls.js'
import type { PutOptions, PutResult } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import type { AzureCalls } from './azure-calls.js'
import { statusOf } from './azure-errors.js'

/** Metadata by which an upload knows its own blob again: `x-ms-meta-putid`. Names are C# identifiers, so no dash. */
const MARK = 'putid'

/** Milliseconds for finding out, after a failure, what became of an upload. */
const INQUIRY_TIME = 5_000
/** A request that was cut off may still be at work for a moment. */
const SECOND_LOOK = 500

/** One blob on its way: where it goes, with what headers, and how to recognise it afterwards. */
export class UploadTarget {
  readonly calls: AzureCalls
  readonly key: string
  readonly options: PutOptions
  /** Ends the upload: the caller's abort, or a block that failed. */
  readonly signal: AbortSignal
  readonly blob: BlockBlobClient
  readonly #mark = randomUUID()

  constructor(calls: AzureCalls, key: string, options: PutOptions, signal: AbortSignal) {
    this.calls = calls
    this.key = key
    this.options = options
    this.signal = signal
    this.blob = calls.client.getBlockBlobClient(key)
  }

  get createOnly(): boolean {
    return this.options.ifNoneMatch === '*'
  }

  /** How the blob is stored, for Put Blob and for Put Block List, which take the same headers. */
  get headers() {
    const { contentType, contentDisposition, cacheControl, storageClass } = this.options
    return {
      blobHTTPHeaders: {
        blobContentType: contentType,
        ...(contentDisposition === undefined ? {} : { blobContentDisposition: contentDisposition }),
        ...(cacheControl === undefined ? {} : { blobCacheControl: cacheControl }),
      },
      metadata: { [MARK]: this.#mark },
      ...(storageClass === undefined ? {} : { tier: storageClass }),
      ...this.encryptionScope,
      ...(this.createOnly ? { conditions: { ifNoneMatch: '*' } } : {}),
    }
  }

  /** Goes with every block too: all of a blob must have the same ("Put Block", Azure REST API). */
  get encryptionScope(): { encryptionScope?: string } {
    const scope = this.options.encryption?.keyId
    return scope === undefined ? {} : { encryptionScope: scope }
  }

  /** @throws ERR_FILE_EXISTS when the key is taken */
  async assertAbsent(): Promise<void> {
    try {
      await this.#head({ operation: 'put', key: this.key, signal: this.signal })
    } catch (error) {
      if (StorageError.is(error, 'ERR_FILE_NOT_FOUND')) return
      throw error
    }
    throw new StorageError('ERR_FILE_EXISTS', 'There is a file under this key already.', {
      operation: 'put',
      key: this.key,
    })
  }

  /**
   * Says what became of an upload whose last request failed. Where that request may have been carried out all the
   * same (a time-out, a lost answer, a second try that met the first one's blob), the blob is looked for:
   *
   * - It carries our mark: the upload did succeed. It is kept, unless the caller aborted; then it goes.
   * - It carries another mark or none: it is somebody else's and is never touched.
   * - It is not there: the failure stands. A request that is still at work in the backend can make the blob appear
   *   later. No client can prevent that; the ledger deletes a failed upload's key once more after a day.
   */
  async settle(failure: unknown, size: number): Promise<PutResult> {
    if (!mayHaveHappened(failure)) throw failure
    const found = await this.#findOwn()
    if (found === undefined) throw failure
    if (!this.signal.aborted) return { size, etag: found.etag, version: found.versionId }
    await this.#remove(found)
    throw failure
  }

  /** Our own blob, if it is there. Never rejects. */
  async #findOwn(): Promise<BlobGetPropertiesResponse | undefined> {
    for (const pause of [0, SECOND_LOOK]) {
      await sleep(pause)
      const call = { operation: 'put', key: this.key, within: INQUIRY_TIME }
      const found = await this.#head(call).catch(() => undefined)
      if (found !== undefined) return found.metadata?.[MARK] === this.#mark ? found : undefined
    }
    return undefined
  }

  #head(call: BackendCall): Promise<BlobGetPropertiesResponse> {
    return this.calls.run(call, abortSignal => this.blob.getProperties({ abortSignal }))
  }

  /** Best effort, and exactly the blob that was found: one that replaced it in the meantime stays. */
  async #remove({ etag }: BlobGetPropertiesResponse): Promise<void> {
    const call = { operation: 'put', key: this.key, within: INQUIRY_TIME }
    const conditions = { ifMatch: etag }
    await this.calls.run(call, abortSignal => this.blob.delete({ abortSignal, conditions })).catch(() => {})
  }
}

/** Whether the backend may have stored the blob although we know of a failure only. */
function mayHaveHappened(failure: unknown): boolean {
  if (!StorageError.is(failure)) return true
  const status = statusOf(failure)
  if (status === undefined || status >= 500 || status === 408) return true
  // A second try may have met the blob of the first one, whose answer was lost: 409 from Put Blob and Put Block
  // List for a key that is taken, 412 from azurite and some versions of the service.
  return status === 409 || status === 412
}
