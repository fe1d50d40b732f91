import { PutObjectCommand } from '@aws-sdk/client-s3'
import { abortError } from '../../core/abort.js'
import { endBody, takeBody } from '../../core/body.js'
import { BlockMemory, blocksOf } from '../../core/body-blocks.js'
import type { PutBody, PutOptions, PutResult } from '../../core/driver.js'
import { MultipartUpload } from './multipart-upload.js'
import { MAX_PARTS } from './options.js'
import type { S3Calls } from './s3-calls.js'
import { UploadTarget } from './upload-target.js'

const NOTHING = Buffer.alloc(0)

/**
 * Stores a body: in one request with a known length where it fits into one part, else as a multipart upload.
 * Nothing is sent before the first part is full or the body has ended, so a body that fails early leaves nothing.
 */
export async function putObject(
  calls: S3Calls,
  key: string,
  body: PutBody,
  options: PutOptions,
): Promise<PutResult> {
  takeBody(body)
  const stop = new AbortController()
  const onAbort = () => stop.abort(abortError(options.signal, { operation: 'put', key }))
  options.signal?.addEventListener('abort', onAbort, { once: true })
  if (options.signal?.aborted) onAbort()
  try {
    stop.signal.throwIfAborted()
    return await send(new UploadTarget(calls, key, options, stop.signal), body, stop)
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error
  } finally {
    options.signal?.removeEventListener('abort', onAbort)
    endBody(body)
  }
}

async function send(target: UploadTarget, body: PutBody, stop: AbortController): Promise<PutResult> {
  const { size } = target.options
  const partSize = partSizeFor(target.calls.limits.partSize, size)
  const memory = new BlockMemory()
  const pieces = blocksOf(body, partSize, { size, signal: stop.signal, memory })
  const first = (await pieces.next()).value ?? NOTHING
  const second = (await pieces.next()).value
  if (second !== undefined) return new MultipartUpload(target, stop, memory).run([first, second], pieces)
  return sendWhole(target, first)
}

/** As configured, unless the file would then have too many parts. */
function partSizeFor(partSize: number, size = 0): number {
  return Math.max(partSize, Math.ceil(size / MAX_PARTS))
}

async function sendWhole(target: UploadTarget, bytes: Uint8Array): Promise<PutResult> {
  const { calls, key, signal, address, headers, createOnly } = target
  const command = new PutObjectCommand({
    ...address,
    ...headers,
    Body: bytes,
    ContentLength: bytes.length,
    ...(createOnly ? { IfNoneMatch: '*' } : {}),
  })
  try {
    const call = { operation: 'put', key, signal, bytes: bytes.length }
    const { ETag, VersionId } = await calls.run(call, http => calls.client.send(command, http))
    return { size: bytes.length, etag: ETag, version: VersionId }
  } catch (error) {
    return target.settle(error, bytes.length)
  }
}
