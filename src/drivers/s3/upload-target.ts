import { randomUUID } from 'node:crypto'
import {
  DeleteObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3'
import type { BackendCall } from '../../core/backend-calls.js'
import type { PutOptions, PutResult } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { type Inquiry, inquiryInto, recoverUpload } from '../../core/lost-answer.js'
import { type KeepHeaders, keepHeaders, keepHttpHeaders } from './keep-headers.js'
import type { S3Calls } from './s3-calls.js'
import { statusOf } from './s3-errors.js'

/** Metadata by which an upload knows its own object again: `x-amz-meta-put-id`. */
const MARK = 'put-id'
const MARK_HEADER = `x-amz-meta-${MARK}`

/** One object on its way: where it goes, with what headers, and how to recognise it afterwards. */
export class UploadTarget {
  readonly calls: S3Calls
  readonly key: string
  readonly options: PutOptions
  /** Ends the upload: the caller's abort, or a part that failed. */
  readonly signal: AbortSignal | undefined
  readonly #mark = randomUUID()

  constructor(calls: S3Calls, key: string, options: PutOptions, signal: AbortSignal | undefined) {
    this.calls = calls
    this.key = key
    this.options = options
    this.signal = signal
  }

  get createOnly(): boolean {
    return this.options.ifNoneMatch === '*'
  }

  /** Which object is meant. */
  get address(): { Bucket: string; Key: string } {
    return { Bucket: this.calls.bucket, Key: this.key }
  }

  /** How the object is stored. There is never an ACL: who may read is the bucket's business. */
  get headers(): Pick<
    PutObjectCommandInput,
    'ContentType' | 'ContentDisposition' | 'CacheControl' | 'Metadata' | keyof KeepHeaders
  > {
    const { contentType, contentDisposition, cacheControl } = this.options
    return {
      ContentType: contentType,
      ...(contentDisposition === undefined ? {} : { ContentDisposition: contentDisposition }),
      ...(cacheControl === undefined ? {} : { CacheControl: cacheControl }),
      ...keepHeaders(this.options),
      Metadata: { [MARK]: this.#mark },
    }
  }

  /** The same as headers of a request; the caller's own, to add more. */
  get httpHeaders(): Record<string, string | undefined> {
    const { contentType, contentDisposition, cacheControl } = this.options
    const headers = keepHttpHeaders(this.options)
    headers['content-type'] = contentType
    headers['content-disposition'] = contentDisposition
    headers['cache-control'] = cacheControl
    headers[MARK_HEADER] = this.#mark
    return headers
  }

  /** What every request of the upload has in common. */
  get call(): BackendCall {
    return { operation: 'put', key: this.key, signal: this.signal }
  }

  /** Says what became of an upload whose last request failed, as {@link recoverUpload} finds out. */
  async settle(failure: unknown, size: number): Promise<PutResult> {
    if (!mayHaveHappened(failure)) throw failure
    const found = await recoverUpload(failure, {
      key: this.key,
      look: inquiry => this.#head(inquiry),
      isOwn: ({ Metadata }) => Metadata?.[MARK] === this.#mark,
      isWanted: () => !this.signal?.aborted,
      remove: (object, inquiry) => this.#remove(object, inquiry),
    })
    return { size, etag: found.ETag, version: found.VersionId }
  }

  /** What is at the key now, whoever aborted. Undefined where nothing is, or where nobody answers. */
  async look(): Promise<HeadObjectCommandOutput | undefined> {
    return this.#head(inquiryInto(this.key)).catch(() => undefined)
  }

  #head(call: BackendCall): Promise<HeadObjectCommandOutput> {
    return this.calls.runHead(call, http => this.calls.client.send(new HeadObjectCommand(this.address), http))
  }

  /**
   * Exactly the version found, or at least exactly its content where the backend knows If-Match, so that an object
   * which replaced ours in the meantime stays.
   */
  #remove({ VersionId, ETag }: HeadObjectCommandOutput, inquiry: Inquiry): Promise<unknown> {
    const which = VersionId === undefined ? { IfMatch: ETag } : { VersionId }
    const command = new DeleteObjectCommand({ ...this.address, ...which })
    return this.calls.run(inquiry, http => this.calls.client.send(command, http))
  }
}

/** Whether the backend may have stored the object although we know of a failure only. */
function mayHaveHappened(failure: unknown): boolean {
  const status = statusOf(failure)
  if (status === undefined || status >= 500 || status === 408) return true
  // A second try may have met the first one's object, or the end of its upload, after the answer was lost.
  return (
    status === 412 || status === 409 || (status === 404 && !StorageError.is(failure, 'ERR_BUCKET_NOT_FOUND'))
  )
}
