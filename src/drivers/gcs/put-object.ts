import { randomUUID } from 'node:crypto'
import type { PutBody, PutOptions, PutResult } from '../../core/driver.js'
import { Checksum } from './checksum.js'
import type { GcsCalls } from './gcs-calls.js'
import { cutBody, type Piece } from './pieces.js'
import type { ObjectResource } from './resource.js'
import { ResumableUpload } from './resumable-upload.js'
import { UploadTarget } from './upload-target.js'

/**
 * Stores a body: in one request with a known length where it fits into one chunk, else as a resumable upload.
 * Nothing is sent before the first chunk is full or the body has ended, so a body that fails early leaves nothing.
 */
export async function putObject(
  calls: GcsCalls,
  key: string,
  body: PutBody,
  options: PutOptions,
): Promise<PutResult> {
  const { size, signal } = options
  const target = new UploadTarget(calls, key, options)
  const pieces = cutBody(body, calls.limits.chunkSize, { size, signal })
  try {
    const { value: first } = await pieces.next()
    if (first === undefined || first.isLast) return await sendWhole(target, first ?? NOTHING)
    return await new ResumableUpload(target).run(first, pieces)
  } finally {
    await pieces.return(undefined)
  }
}

const NOTHING: Piece = { chunks: [], size: 0, isLast: true }

/**
 * Metadata and bytes in one request ("Performing a multipart upload", Cloud Storage documentation). The checksum
 * is part of the metadata: bytes that do not fit are refused before they become an object.
 */
async function sendWhole(target: UploadTarget, { chunks, size }: Piece): Promise<PutResult> {
  const { calls, call, query } = target
  const checksum = new Checksum(calls.client.crc32cGenerator)
  for (const chunk of chunks) checksum.update(chunk)
  const resource = { ...target.resource, crc32c: checksum.toString() }
  const boundary = randomUUID()
  const head = [
    `--${boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n`,
    `${JSON.stringify(resource)}\r\n--${boundary}\r\n`,
    `Content-Type: ${target.options.contentType}\r\n\r\n`,
  ]
  try {
    const stored = await calls.json<ObjectResource>(
      { ...call, bytes: size },
      {
        method: 'POST',
        url: calls.uploadUrl({ uploadType: 'multipart', ...query }),
        headers: { 'Content-Type': `multipart/related; boundary=${boundary}` },
        body: [Buffer.from(head.join('')), ...chunks, Buffer.from(`\r\n--${boundary}--`)],
      },
    )
    return target.result(size, stored)
  } catch (error) {
    return target.settle(error, size)
  }
}
