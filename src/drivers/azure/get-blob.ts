import { Readable } from 'node:stream'
import type { BlobDownloadResponseParsed, BlobGetPropertiesResponse } from '@azure/storage-blob'
import { resolveRange } from '../../core/byte-range.js'
import { Download } from '../../core/download.js'
import type { ByteRange, GetOptions, GetResult, ObjectInfo } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import type { AzureCalls } from './azure-calls.js'
import { toStorageError } from './azure-errors.js'

/** How often a file is looked at again that is replaced between the looking and the reading. */
const MAX_LOOKS = 3

interface Part {
  start: number
  /** Included; left out for "to the end". */
  end?: number
  /** Of the blob whose length the offsets were made from. */
  etag?: string
}

/** Opens a blob, or a part of it. */
export async function getBlob(
  calls: AzureCalls,
  key: string,
  { range, signal }: GetOptions,
): Promise<GetResult> {
  for (let look = 1; ; look++) {
    try {
      const part = range === undefined ? { start: 0 } : await partOf(calls, key, range, signal)
      const answer = await open(calls, key, part, signal)
      return toResult(calls, key, answer, { range, signal })
    } catch (error) {
      // 412: replaced since partOf looked at it.
      if (look >= MAX_LOOKS || !StorageError.is(error, 'ERR_FILE_EXISTS')) throw error
    }
  }
}

/** What Azure says of a blob in its headers. */
export function toObjectInfo(answer: BlobDownloadResponseParsed | BlobGetPropertiesResponse): ObjectInfo {
  return {
    size: answer.contentLength ?? 0,
    contentType: answer.contentType || 'application/octet-stream',
    ...(answer.contentDisposition ? { contentDisposition: answer.contentDisposition } : {}),
    ...(answer.cacheControl ? { cacheControl: answer.cacheControl } : {}),
    ...(answer.etag === undefined ? {} : { etag: answer.etag }),
    lastModified: answer.lastModified ?? new Date(0),
    ...(answer.versionId === undefined ? {} : { version: answer.versionId }),
  }
}

/** Azure knows no "last n bytes" ("Specifying the range header", Azure REST API), so that asks for the size first. */
async function partOf(
  calls: AzureCalls,
  key: string,
  range: ByteRange,
  signal: AbortSignal | undefined,
): Promise<Part> {
  if (!('suffix' in range)) {
    const { start, end } = range
    const sane = isOffset(start) && (end === undefined || (isOffset(end) && end >= start))
    if (!sane) throw rangeError(key)
    return { start, end }
  }
  const { contentLength = 0, etag } = await calls.run({ operation: 'get', key, signal }, abortSignal =>
    calls.client.getBlobClient(key).getProperties({ abortSignal }),
  )
  return { ...resolveRange(range, contentLength), etag }
}

function open(
  calls: AzureCalls,
  key: string,
  { start, end, etag }: Part,
  signal: AbortSignal | undefined,
): Promise<BlobDownloadResponseParsed> {
  const count = end === undefined ? undefined : end - start + 1
  return calls.run({ operation: 'get', key, signal }, abortSignal =>
    calls.client.getBlobClient(key).download(start, count, {
      abortSignal,
      ...(etag === undefined ? {} : { conditions: { ifMatch: etag } }),
      // The SDK would begin again in silence, and count no time while it does.
      maxRetryRequests: 0,
    }),
  )
}

function toResult(
  calls: AzureCalls,
  key: string,
  answer: BlobDownloadResponseParsed,
  { range, signal }: GetOptions,
): GetResult {
  const source = toReadable(answer.readableStreamBody, key)
  try {
    const part = range === undefined ? undefined : servedPart(answer, range, key)
    const place = { operation: 'get', key, container: calls.container }
    const body = new Download(source, {
      key,
      idleTimeout: calls.limits.idleTimeout,
      length: answer.contentLength,
      signal,
      toError: error => toStorageError(error, place),
    })
    const info = toObjectInfo(answer)
    if (part === undefined) return { body, info }
    return { body, info: { ...info, size: part.size }, range: { start: part.start, end: part.end } }
  } catch (error) {
    source.on('error', () => {}).destroy()
    throw error
  }
}

/** `bytes 0-4/10` (RFC 9110, section 14.4). From the first byte to the end is no range for the SDK. */
function servedPart(
  answer: BlobDownloadResponseParsed,
  range: ByteRange,
  key: string,
): { start: number; end: number; size: number } {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.contentRange ?? '')
  if (match !== null) {
    const [start, end, size] = match.slice(1).map(Number) as [number, number, number]
    // Azurite answers a range that begins at the end with "bytes 10-9/10" and nothing; Azure with 416.
    if (end < start) throw rangeError(key)
    return { start, end, size }
  }
  const size = answer.contentLength ?? 0
  const whole = resolveRange(range, size)
  if (whole.start === 0 && whole.end === size - 1) return { ...whole, size }
  throw new StorageError('ERR_BACKEND', 'The storage ignored the range that was asked for.', {
    operation: 'get',
    key,
  })
}

function isOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function rangeError(key: string): StorageError {
  return new StorageError('ERR_RANGE', 'The range lies outside of the file.', { operation: 'get', key })
}

function toReadable(body: unknown, key: string): Readable {
  if (body instanceof Readable) return body
  throw new StorageError('ERR_BACKEND', 'The storage answered without a body.', { operation: 'get', key })
}
