import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  DeleteObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3'
import type { BackendCall } from '../../core/backend-calls.js'
import type { PutOptions, PutResult } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { type KeepHeaders, keepHeaders } from './keep-headers.js'
import type { S3Calls } from './s3-calls.js'
import { statusOf } from './s3-errors.js'

/** Metadata by which an upload knows its own object again: `x-amz-meta-put-id`. */
const MARK = 'put-id'

/** Milliseconds for finding out, after a failure, what became of an upload. */
const INQUIRY_TIME = 5_000
/** A request that was cut off may still be at work for a moment. */
const SECOND_LOOK = 500

/** One object on its way: where it goes, with what headers, and how to recognise it afterwards. */
export class UploadTarget {
  readonly calls: S3Calls
  readonly key: string
  readonly options: PutOptions
  /** Ends the upload: the caller's abort, or a part that failed. */
  readonly signal: AbortSignal
  readonly #mark = randomUUID()

  constructor(calls: S3Calls, key: string, options: PutOptions, signal: AbortSignal) {
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
   * same (a time-out, a lost answer, a second attempt that met the first one's object), the object is looked for:
   *
   * - It carries our mark: the upload did succeed. It is kept, unless the caller aborted; then it goes.
   * - It carries another mark or none: it is somebody else's and is never touched.
   * - It is not there: the failure stands. A request that is still at work in the backend can make the object
   *   appear later. No client can prevent that; the ledger deletes a failed upload's key once more after a day.
   */
  async settle(failure: unknown, size: number): Promise<PutResult> {
    if (!mayHaveHappened(failure)) throw failure
    const found = await this.#findOwn()
    if (found === undefined) throw failure
    if (!this.signal.aborted) return { size, etag: found.ETag, version: found.VersionId }
    await this.#remove(found)
    throw failure
  }

  /** Our own object, if it is there. Never rejects. */
  async #findOwn(): Promise<HeadObjectCommandOutput | undefined> {
    for (const pause of [0, SECOND_LOOK]) {
      await sleep(pause)
      const found = await this.look()
      if (found !== undefined) return found.Metadata?.[MARK] === this.#mark ? found : undefined
    }
    return undefined
  }

  /** What is at the key now, whoever aborted. Undefined where nothing is, or where nobody answers. */
  async look(): Promise<HeadObjectCommandOutput | undefined> {
    return this.#head({ operation: 'put', key: this.key, within: INQUIRY_TIME }).catch(() => undefined)
  }

  #head(call: BackendCall): Promise<HeadObjectCommandOutput> {
    return this.calls.runHead(call, http => this.calls.client.send(new HeadObjectCommand(this.address), http))
  }

  /**
   * Best effort. Exactly the version found, or at least exactly its content where the backend knows If-Match, so
   * that an object which replaced ours in the meantime stays.
   */
  async #remove({ VersionId, ETag }: HeadObjectCommandOutput): Promise<void> {
    const which = VersionId === undefined ? { IfMatch: ETag } : { VersionId }
    const command = new DeleteObjectCommand({ ...this.address, ...which })
    const call = { operation: 'put', key: this.key, within: INQUIRY_TIME }
    await this.calls.run(call, http => this.calls.client.send(command, http)).catch(() => {})
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
