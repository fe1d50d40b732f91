import { randomUUID } from 'node:crypto'
import { type Block, bytesOf } from '../../core/block.js'
import type { BlockMemory } from '../../core/block-memory.js'
import type { PutResult } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { MAX_BLOCKS } from './options.js'
import type { UploadTarget } from './upload-target.js'

/**
 * Uploads a body block by block, a few of them at a time. Nothing is visible before Put Block List has put them
 * together, and nothing has to be tidied up after a failure: Azure has no call that takes uncommitted blocks back.
 * It throws them away a week after the last one, or when anything else is stored under the key ("Put Block", Azure
 * REST API). Until then they are billed and show only in listings that ask for uncommitted blobs.
 */
export class BlockUpload {
  readonly #target: UploadTarget
  readonly #stop: AbortController
  readonly #memory: BlockMemory
  /** All block ids of one blob must have the same length; no two uploads share one. */
  readonly #prefix = randomUUID()
  readonly #ids: string[] = []
  readonly #inFlight = new Set<Promise<void>>()
  #size = 0

  /** @param stop what `target.signal` belongs to: it ends all work on the upload, with the first reason */
  constructor(target: UploadTarget, stop: AbortController, memory: BlockMemory) {
    this.#target = target
    this.#stop = stop
    this.#memory = memory
  }

  /**
   * @param first the block that was read already; more follow from `blocks`
   * @throws ERR_FILE_EXISTS for a create-only upload whose key is taken
   */
  async run(first: Block, blocks: AsyncGenerator<Block, undefined>): Promise<PutResult> {
    // Put Block List decides; looking first spares sending a large file in vain.
    if (this.#target.createOnly) await this.#target.assertAbsent()
    try {
      await this.#sendAll(first, blocks)
    } catch (error) {
      this.#stop.abort(error)
      // A block that arrives after the caller tried again is no harm, but its memory and socket are ours.
      await Promise.all(this.#inFlight)
      throw error
    }
    return this.#commit()
  }

  async #sendAll(first: Block, blocks: AsyncGenerator<Block, undefined>): Promise<void> {
    let block: Block | undefined = first
    while (block !== undefined) {
      if (this.#ids.length >= MAX_BLOCKS) throw tooManyBlocks(this.#target.key)
      this.#send(block)
      while (this.#inFlight.size >= this.#target.calls.limits.blocksInFlight)
        await Promise.race(this.#inFlight)
      this.#stop.signal.throwIfAborted()
      block = (await blocks.next()).value
    }
    await Promise.all(this.#inFlight)
    this.#stop.signal.throwIfAborted()
  }

  #send(block: Block): void {
    const id = Buffer.from(`${this.#prefix}${`${this.#ids.length}`.padStart(6, '0')}`).toString('base64')
    this.#ids.push(id)
    this.#size += block.length
    const { calls, key, signal, blob, encryptionScope } = this.#target
    const call = { operation: 'put', key, signal, bytes: block.length }
    const sent = calls
      .run(call, abortSignal =>
        blob.stageBlock(id, bytesOf(block), block.length, { ...encryptionScope, abortSignal }),
      )
      .then(
        // A try that was given up before has lost its socket, and reads no more either.
        () => this.#memory.giveBack(block),
        (error: unknown) => this.#stop.abort(error),
      )
      .finally(() => this.#inFlight.delete(sent))
    this.#inFlight.add(sent)
  }

  async #commit(): Promise<PutResult> {
    const { calls, key, signal, blob, headers } = this.#target
    try {
      const call = { operation: 'put', key, signal, slow: true }
      const { etag, versionId } = await calls.run(call, abortSignal =>
        blob.commitBlockList(this.#ids, { ...headers, abortSignal }),
      )
      return { size: this.#size, etag, version: versionId }
    } catch (error) {
      return this.#target.settle(error, this.#size)
    }
  }
}

function tooManyBlocks(key: string): StorageError {
  const message = `The file has more than ${MAX_BLOCKS} blocks: give its size beforehand, or set a larger blockSize.`
  return new StorageError('ERR_FILE_TOO_LARGE', message, { operation: 'put', key })
}
