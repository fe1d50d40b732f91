import { untilAborted } from '../../core/abort.js'
import { assertAbsent } from '../../core/assert-absent.js'
import type { Block } from '../../core/block.js'
import type { BlockMemory } from '../../core/block-memory.js'
import type { PutResult } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { abortUpload, listUploads } from './open-uploads.js'
import { MAX_PARTS } from './options.js'
import type { Sender, StoredPart } from './sender.js'
import type { UploadTarget } from './upload-target.js'

/** Milliseconds for each request that tidies up. */
const TIDY_TIME = 5_000

/** What ends all work on one upload, with the first reason. */
export interface Stop {
  readonly signal: AbortSignal
  abort(reason: unknown): void
}

/** Uploads a body in parts, a few of them at a time. Whatever goes wrong, the upload is aborted. */
export class MultipartUpload {
  readonly #target: UploadTarget
  readonly #sender: Sender
  readonly #stop: Stop
  readonly #memory: BlockMemory
  readonly #parts: StoredPart[] = []
  readonly #inFlight = new Set<Promise<void>>()
  #id = ''
  /** Whether the backend may have begun an upload and we know of a failure only. */
  #mayHaveUnknown = false
  /** Why something may be left of an upload that was begun. */
  #leftover: unknown
  #size = 0

  constructor(target: UploadTarget, sender: Sender, stop: Stop, memory: BlockMemory) {
    this.#target = target
    this.#sender = sender
    this.#stop = stop
    this.#memory = memory
  }

  /**
   * @param first the block that was read already; more follow from `blocks`
   * @throws ERR_FILE_EXISTS for a create-only upload whose key is taken
   */
  async run(first: Block, blocks: AsyncGenerator<Block, undefined>): Promise<PutResult> {
    try {
      return await this.#upload(first, blocks).finally(() => this.#abortUnknown())
    } catch (error) {
      // Not of an upload that did succeed: its key would be taken for one to clear up.
      if (this.#leftover !== undefined) this.#target.options.onLeftover?.(this.#leftover)
      throw error
    }
  }

  async #upload(first: Block, blocks: AsyncGenerator<Block, undefined>): Promise<PutResult> {
    // Ceph ignores If-None-Match on CompleteMultipartUpload. Looking twice leaves a gap there in which two uploads
    // to one key can both win; single requests have none, and keys of uploads are random.
    await this.#assertAbsent()
    this.#id = await this.#create()
    try {
      await this.#announce()
      await this.#sendAll(first, blocks)
      await this.#assertAbsent()
    } catch (error) {
      await this.#abandon(error)
      throw error
    }
    return this.#complete()
  }

  /** @throws ERR_FILE_EXISTS for a create-only upload whose key is taken */
  async #assertAbsent(): Promise<void> {
    const { createOnly, key } = this.#target
    if (createOnly) await assertAbsent(() => this.#sender.look(this.#target), { operation: 'put', key })
  }

  async #create(): Promise<string> {
    const { signal } = this.#stop
    const created = this.#sender.createUpload(this.#target, () => {
      this.#mayHaveUnknown = true
    })
    try {
      return await untilAborted(created, signal)
    } catch (error) {
      if (signal.aborted) await this.#abandonWhenCreated(created)
      throw error
    }
  }

  /** Waits no longer than one request for tidying up; a slower backend's upload is aborted in the background. */
  async #abandonWhenCreated(created: Promise<string>): Promise<void> {
    const gone = created.then(id => this.#abort(id)).catch(() => {})
    await untilAborted(gone, AbortSignal.timeout(TIDY_TIME)).catch(this.#onLeft)
  }

  async #announce(): Promise<void> {
    try {
      await this.#target.options.onMultipart?.(this.#id)
    } catch (error) {
      if (StorageError.is(error)) throw error
      const message = 'The upload was stopped: its onMultipart callback failed.'
      throw new StorageError('ERR_UPLOAD_ABORTED', message, {
        operation: 'put',
        key: this.#target.key,
        cause: error,
      })
    }
  }

  async #sendAll(first: Block, blocks: AsyncGenerator<Block, undefined>): Promise<void> {
    let block: Block | undefined = first
    for (let number = 1; block !== undefined; number++) {
      if (number > MAX_PARTS) throw tooManyParts(this.#target.key)
      this.#send(number, block)
      while (this.#inFlight.size >= this.#target.calls.limits.partsInFlight)
        await Promise.race(this.#inFlight)
      this.#throwIfStopped()
      block = await this.#next(blocks)
    }
    await Promise.all(this.#inFlight)
    this.#throwIfStopped()
  }

  /** The body is destroyed when the upload stops; then the reason counts, not the body's end. */
  async #next(blocks: AsyncGenerator<Block, undefined>): Promise<Block | undefined> {
    try {
      return (await blocks.next()).value
    } catch (error) {
      this.#throwIfStopped()
      throw error
    }
  }

  #throwIfStopped(): void {
    if (this.#stop.signal.aborted) throw this.#stop.signal.reason
  }

  #send(number: number, block: Block): void {
    const sent = this.#sendPart(number, block)
      .catch((error: unknown) => this.#stop.abort(error))
      .finally(() => this.#inFlight.delete(sent))
    this.#inFlight.add(sent)
  }

  async #sendPart(number: number, block: Block): Promise<void> {
    const part = { uploadId: this.#id, number, block }
    this.#parts[number - 1] = await this.#sender.uploadPart(this.#target, part)
    this.#size += block.length
    // An attempt that was given up before has lost its socket, and reads no more either.
    this.#memory.giveBack(block)
  }

  async #complete(): Promise<PutResult> {
    try {
      const { etag, version } = await this.#sender.completeUpload(this.#target, this.#id, this.#parts)
      return { size: this.#size, etag: etag || (await this.#target.look())?.ETag, version }
    } catch (error) {
      await this.#abort(this.#id)
      return this.#target.settle(error, this.#size)
    }
  }

  /** Lets the parts under way end before the upload is aborted: a part that arrives later would stay for ever. */
  async #abandon(reason: unknown): Promise<void> {
    this.#stop.abort(reason)
    await Promise.all(this.#inFlight)
    await this.#abort(this.#id)
  }

  /** Best effort: the failure that led here is what the caller must hear first, and the ledger's reaper knows the id. */
  async #abort(id: string): Promise<void> {
    const { calls, key } = this.#target
    await abortUpload(calls, key, id, { within: TIDY_TIME }).catch(this.#onLeft)
  }

  readonly #onLeft = (error: unknown): void => {
    this.#leftover ??= error
  }

  /**
   * Aborts uploads that were begun by a request whose answer was lost: nobody knows their ids. Only where the key is
   * nobody else's; under any other an upload may be somebody's who is at work.
   */
  async #abortUnknown(): Promise<void> {
    const { calls, key, createOnly } = this.#target
    if (!this.#mayHaveUnknown || !createOnly) return
    const signal = AbortSignal.timeout(TIDY_TIME)
    try {
      for await (const { key: found, id } of listUploads(calls, key, { signal }))
        if (found === key && id !== this.#id) await this.#abort(id)
    } catch (error) {
      // Best effort again: it takes the right to list, and a lifecycle rule of the bucket does the same later.
      this.#onLeft(error)
    }
  }
}

function tooManyParts(key: string): StorageError {
  const message = `The file has more than ${MAX_PARTS} parts: give its size beforehand, or set a larger partSize.`
  return new StorageError('ERR_FILE_TOO_LARGE', message, { operation: 'put', key })
}
