import { abortError, throwIfAborted } from '../../core/abort.js'
import { type Block, bytesOf } from '../../core/block.js'
import { BlockMemory } from '../../core/block-memory.js'
import { endBody, takeBody } from '../../core/body.js'
import { blocksOf } from '../../core/body-blocks.js'
import type { PutBody, PutOptions, PutResult } from '../../core/driver.js'
import type { AzureCalls } from './azure-calls.js'
import { BlockUpload } from './block-upload.js'
import { MAX_BLOCKS } from './options.js'
import { UploadTarget } from './upload-target.js'

const NOTHING: Block = { chunks: [], length: 0, isLast: true }

/**
 * Stores a body: in one request where it fits into one block, else block by block. Nothing is sent before the first
 * block is full or the body has ended, so a body that fails early leaves nothing.
 */
export async function putBlob(
  calls: AzureCalls,
  key: string,
  body: PutBody,
  options: PutOptions,
): Promise<PutResult> {
  takeBody(body)
  const { signal } = options
  const stop = new AbortController()
  const onAbort = () => signal && stop.abort(abortError(signal))
  signal?.addEventListener('abort', onAbort, { once: true })
  const blockSize = blockSizeFor(calls.limits.blockSize, options.size)
  const memory = new BlockMemory(calls.limits.memory, blockSize, stop.signal)
  try {
    throwIfAborted(signal)
    return await send(new UploadTarget(calls, key, options, stop.signal), body, stop, memory)
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error
  } finally {
    signal?.removeEventListener('abort', onAbort)
    endBody(body)
    memory.end()
  }
}

async function send(
  target: UploadTarget,
  body: PutBody,
  stop: AbortController,
  memory: BlockMemory,
): Promise<PutResult> {
  const blocks = blocksOf(body, { size: target.options.size, signal: stop.signal, memory })
  const first = (await blocks.next()).value ?? NOTHING
  if (!first.isLast) return new BlockUpload(target, stop, memory).run(first, blocks)
  const stored = await sendWhole(target, bytesOf(first))
  memory.giveBack(first)
  return stored
}

/** As configured, unless the file would then have too many blocks. */
function blockSizeFor(blockSize: number, size = 0): number {
  return Math.max(blockSize, Math.ceil(size / MAX_BLOCKS))
}

async function sendWhole(target: UploadTarget, bytes: Buffer): Promise<PutResult> {
  const { calls, key, signal, blob, headers } = target
  try {
    const call = { operation: 'put', key, signal, bytes: bytes.length }
    const { etag, versionId } = await calls.run(call, abortSignal =>
      blob.upload(bytes, bytes.length, { ...headers, abortSignal }),
    )
    return { size: bytes.length, etag, version: versionId }
  } catch (error) {
    return target.settle(error, bytes.length)
  }
}
