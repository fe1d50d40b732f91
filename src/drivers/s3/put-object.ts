import { abortError } from '../../core/abort.js'
import type { Block } from '../../core/block.js'
import { BlockMemory } from '../../core/block-memory.js'
import { endBody, takeBody } from '../../core/body.js'
import { blocksOf } from '../../core/body-blocks.js'
import type { PutBody, PutOptions, PutResult } from '../../core/driver.js'
import { MultipartUpload } from './multipart-upload.js'
import { MAX_PARTS } from './options.js'
import type { S3Calls } from './s3-calls.js'
import type { Sender } from './sender.js'
import { UploadTarget } from './upload-target.js'

/** What uploads are sent with. */
export interface UploadTools {
  readonly calls: S3Calls
  readonly sender: Sender
}

const NOTHING: Block = { chunks: [], length: 0, isLast: true }

/**
 * Stores a body: in one request with a known length where it fits into one part, else as a multipart upload.
 * Nothing is sent before the first part is full or the body has ended, so a body that fails early leaves nothing.
 */
export async function putObject(
  tools: UploadTools,
  key: string,
  body: PutBody,
  options: PutOptions,
): Promise<PutResult> {
  takeBody(body)
  const { calls } = tools
  const stop = new AbortController()
  const onAbort = () => stop.abort(abortError(options.signal, { operation: 'put', key }))
  options.signal?.addEventListener('abort', onAbort, { once: true })
  if (options.signal?.aborted) onAbort()
  const blockSize = partSizeFor(calls.limits.partSize, options.size)
  const blocks = new BlockMemory(calls.limits.memory, blockSize, stop.signal)
  try {
    stop.signal.throwIfAborted()
    return await send(tools, new UploadTarget(calls, key, options, stop.signal), body, stop, blocks)
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error
  } finally {
    options.signal?.removeEventListener('abort', onAbort)
    endBody(body)
    blocks.end()
  }
}

async function send(
  { sender }: UploadTools,
  target: UploadTarget,
  body: PutBody,
  stop: AbortController,
  memory: BlockMemory,
): Promise<PutResult> {
  const { checksum } = sender
  const blocks = blocksOf(body, { size: target.options.size, signal: stop.signal, memory, checksum })
  const first = (await blocks.next()).value ?? NOTHING
  if (!first.isLast) return new MultipartUpload(target, sender, stop, memory).run(first, blocks)
  try {
    const stored = await sender.putObject(target, first)
    memory.giveBack(first)
    return { size: first.length, ...stored }
  } catch (error) {
    return target.settle(error, first.length)
  }
}

/** As configured, unless the file would then have too many parts. */
function partSizeFor(partSize: number, size = 0): number {
  return Math.max(partSize, Math.ceil(size / MAX_PARTS))
}
