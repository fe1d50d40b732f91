import { abortError } from '../../core/abort.js'
import type { Block } from '../../core/block.js'
import { BlockMemory } from '../../core/block-memory.js'
import { blocksOf, wholeBlockOf } from '../../core/body-blocks.js'
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

/**
 * The largest stream that is stored in one request though it is longer than a part. It is sent again as a whole where
 * the request fails, so no more than two parts of the usual size.
 */
const JOINED_PARTS = 16 * 1024 * 1024

const NOTHING: Block = { chunks: [], length: 0, isLast: true }

/**
 * Stores a body: in one request with a known length where it fits into one part, else as a multipart upload.
 * Nothing is sent before the first part is full or the body has ended, so a body that fails early leaves nothing.
 */
export function putObject(
  tools: UploadTools,
  key: string,
  body: PutBody,
  options: PutOptions,
): Promise<PutResult> {
  const { calls, sender } = tools
  const blockSize = partSizeFor(calls.limits.partSize, options.size)
  const { size, signal } = options
  const whole = wholeBlockOf(body, blockSize, { size, checksum: sender.checksum })
  if (whole === undefined) return putStream(tools, key, body, options, blockSize)
  return putWhole(sender, new UploadTarget(calls, key, options, signal), whole)
}

async function putStream(
  { calls, sender }: UploadTools,
  key: string,
  body: PutBody,
  options: PutOptions,
  blockSize: number,
): Promise<PutResult> {
  const stop = new AbortController()
  const onAbort = () => stop.abort(abortError(options.signal, { operation: 'put', key }))
  options.signal?.addEventListener('abort', onAbort, { once: true })
  if (options.signal?.aborted) onAbort()
  const memory = new BlockMemory(calls.limits.memory, blockSize, stop.signal)
  try {
    stop.signal.throwIfAborted()
    const target = new UploadTarget(calls, key, options, stop.signal)
    const { size, atMost = Number.POSITIVE_INFINITY } = options
    const bound = atMost <= JOINED_PARTS ? atMost : undefined
    const reading = { size, atMost: bound, signal: stop.signal, memory, checksum: sender.checksum }
    const blocks = blocksOf(body, reading)
    const first = (await blocks.next()).value ?? NOTHING
    if (!first.isLast) return await new MultipartUpload(target, sender, stop, memory).run(first, blocks)
    const stored = await putWhole(sender, target, first)
    memory.giveBack(first)
    return stored
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error
  } finally {
    options.signal?.removeEventListener('abort', onAbort)
    memory.end()
  }
}

function putWhole(sender: Sender, target: UploadTarget, block: Block): Promise<PutResult> {
  return sender.putObject(target, block).then(
    ({ etag, version }) => ({ size: block.length, etag, version }),
    error => target.settle(error, block.length),
  )
}

/** As configured, unless the file would then have too many parts. */
function partSizeFor(partSize: number, size = 0): number {
  return Math.max(partSize, Math.ceil(size / MAX_PARTS))
}
