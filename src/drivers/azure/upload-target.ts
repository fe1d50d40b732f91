import { randomUUID } from 'node:crypto'
import type { BlobGetPropertiesResponse, BlockBlobClient } from '@azure/storage-blob'
import { assertAbsent } from '../../core/assert-absent.js'
import type { BackendCall } from '../../core/backend-calls.js'
import type { PutOptions, PutResult } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { type Inquiry, recoverUpload } from '../../core/lost-answer.js'
import type { AzureCalls } from './azure-calls.js'
import { statusOf } from './azure-errors.js'

/** Metadata by which an upload knows its own blob again: `x-ms-meta-putid`. Names are C# identifiers, so no dash. */
const MARK = 'putid'

/** One blob on its way: where it goes, with what headers, and how to recognise it afterwards. */
export class UploadTarget {
  readonly calls: AzureCalls
  readonly key: string
  readonly options: PutOptions
  /** Ends the upload: the caller's abort, or a block that failed. */
  readonly signal: AbortSignal | undefined
  readonly blob: BlockBlobClient
  readonly #mark = randomUUID()

  constructor(calls: AzureCalls, key: string, options: PutOptions, signal: AbortSignal | undefined) {
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
    const call = { operation: 'put', key: this.key }
    await assertAbsent(() => this.#head({ ...call, signal: this.signal }), call)
  }

  /** Says what became of an upload whose last request failed, as {@link recoverUpload} finds out. */
  async settle(failure: unknown, size: number): Promise<PutResult> {
    if (!mayHaveHappened(failure)) throw failure
    const found = await recoverUpload(failure, {
      key: this.key,
      look: inquiry => this.#head(inquiry),
      isOwn: ({ metadata }) => metadata?.[MARK] === this.#mark,
      isWanted: () => !this.signal?.aborted,
      remove: (blob, inquiry) => this.#remove(blob, inquiry),
    })
    return { size, etag: found.etag, version: found.versionId }
  }

  #head(call: BackendCall): Promise<BlobGetPropertiesResponse> {
    return this.calls.run(call, abortSignal => this.blob.getProperties({ abortSignal }))
  }

  #remove({ etag }: BlobGetPropertiesResponse, inquiry: Inquiry): Promise<unknown> {
    const conditions = { ifMatch: etag }
    return this.calls.run(inquiry, abortSignal => this.blob.delete({ abortSignal, conditions }))
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
