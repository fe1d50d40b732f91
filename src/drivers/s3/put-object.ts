import { PutObjectCommand } from '@aws-sdk/client-s3'
import { abortError } from '../../core/abort.js'
import type { PutBody, PutOptions, PutResult } from '../../core/driver.js'
import { BodyReader } from './body-reader.js'
import { MultipartUpload } from './multipart-upload.js'
import { MAX_PARTS } from './options.js'
import type { S3Calls } from './s3-calls.js'
import { UploadTarget } from './upload-target.js'

const NOTHING = new Uint8Array(0)

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
  const stop = new AbortController()
  const onAbort = () => stop.abort(abortError(options.signal, { operation: 'put', key }))
  options.signal?.addEventListener('abort', onAbort, { once: true })
  if (options.signal?.aborted) onAbort()
  const end = () => destroyBody(body)
  stop.signal.addEventListener('abort', end, { once: true })
  try {
    stop.signal.throwIfAborted()
    return await send(new UploadTarget(calls, key, options, stop.signal), body, stop)
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error
  } finally {
    options.signal?.removeEventListener('abort', onAbort)
    end()
  }
}

/** Ends a body that nobody is going to read. */
export function destroyBody(body: PutBody): void {
  if (body instanceof Uint8Array) return
  body.on('error', () => {})
  body.destroy()
}

async function send(target: UploadTarget, body: PutBody, stop: AbortController): Promise<PutResult> {
  const { size } = target.options
  const reader = new BodyReader(body, partSizeFor(target.calls.limits.partSize, size), size)
  const first = (await reader.next()) ?? NOTHING
  const second = await reader.next()
  stop.signal.throwIfAborted()
  if (second !== undefined) return new MultipartUpload(target, stop).run([first, second], reader)
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
