import { abortError, throwIfAborted } from '../../core/abort.js'
import { endBody, takeBody } from '../../core/body.js'
import { BlockMemory, blocksOf } from '../../core/body-blocks.js'
import type { PutBody, PutOptions, PutResult } from '../../core/driver.js'
import type { AzureCalls } from './azure-calls.js'
import { BlockUpload } from './block-upload.js'
import { MAX_BLOCKS } from './options.js'
import { UploadTarget } from './upload-target.js'

const NOTHING = Buffer.alloc(0)

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
  try {
    throwIfAborted(signal)
    return await send(new UploadTarget(calls, key, options, stop.signal), body, stop)
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error
  } finally {
    signal?.removeEventListener('abort', onAbort)
    endBody(body)
  }
}

async function send(target: UploadTarget, body: PutBody, stop: AbortController): Promise<PutResult> {
  const { size } = target.options
  const blockSize = blockSizeFor(target.calls.limits.blockSize, size)
  const memory = new BlockMemory()
  const blocks = blocksOf(body, blockSize, { size, signal: stop.signal, memory })
  const first = (await blocks.next()).value ?? NOTHING
  const second = (await blocks.next()).value
  if (second !== undefined) return new BlockUpload(target, stop, memory).run([first, second], blocks)
  return sendWhole(target, first)
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
