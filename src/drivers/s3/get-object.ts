import { Readable } from 'node:stream'
import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  type HeadObjectCommandOutput,
} from '@aws-sdk/client-s3'
import { Download } from '../../core/download.js'
import type { ByteRange, GetOptions, GetResult, ObjectInfo } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import type { S3Calls } from './s3-calls.js'
import { toStorageError } from './s3-errors.js'

/** Opens an object, or a part of it. */
export async function getObject(
  calls: S3Calls,
  key: string,
  { range, signal }: GetOptions,
): Promise<GetResult> {
  const { bucket, client, limits } = calls
  const command = new GetObjectCommand({
    Bucket: bucket,
    Key: key,
    ...(range === undefined ? {} : { Range: rangeHeader(range, key) }),
  })
  const answer = await calls.run({ operation: 'get', key, signal }, http => client.send(command, http))
  const body = toReadable(answer.Body, key)
  const part = parseContentRange(answer.ContentRange)
  if (range !== undefined && part === undefined) {
    body.destroy()
    throw ignoredRange(answer, key)
  }
  const toError = (error: unknown) => toStorageError(error, { operation: 'get', bucket, key })
  return {
    body: new Download(body, {
      key,
      idleTimeout: limits.idleTimeout,
      length: answer.ContentLength,
      signal,
      toError,
    }),
    info: { ...toObjectInfo(answer), ...(part === undefined ? {} : { size: part.size }) },
    ...(part === undefined ? {} : { range: { start: part.start, end: part.end } }),
  }
}

/** What S3 says of an object in its headers. */
export function toObjectInfo(answer: GetObjectCommandOutput | HeadObjectCommandOutput): ObjectInfo {
  return {
    size: answer.ContentLength ?? 0,
    contentType: answer.ContentType ?? 'application/octet-stream',
    ...(answer.ContentDisposition === undefined ? {} : { contentDisposition: answer.ContentDisposition }),
    ...(answer.CacheControl === undefined ? {} : { cacheControl: answer.CacheControl }),
    ...(answer.ETag === undefined ? {} : { etag: answer.ETag }),
    lastModified: answer.LastModified ?? new Date(0),
    ...(answer.VersionId === undefined ? {} : { version: answer.VersionId }),
  }
}

/**
 * The Range header (RFC 9110, section 14.1.2). Checked here because servers answer ranges that make no sense with
 * the whole object: Ceph does so for the last 0 bytes.
 */
function rangeHeader(range: ByteRange, key: string): string {
  const [first, last] = 'suffix' in range ? [range.suffix, undefined] : [range.start, range.end]
  const sane = isOffset(first) && (last === undefined || (isOffset(last) && last >= first))
  if (!sane || ('suffix' in range && range.suffix === 0)) throw rangeError(key)
  return 'suffix' in range ? `bytes=-${range.suffix}` : `bytes=${range.start}-${range.end ?? ''}`
}

function isOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

/** `bytes 0-4/10` (RFC 9110, section 14.4). */
function parseContentRange(
  header: string | undefined,
): { start: number; end: number; size: number } | undefined {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(header ?? '')
  return match === null
    ? undefined
    : { start: Number(match[1]), end: Number(match[2]), size: Number(match[3]) }
}

/** An empty object has no ranges, but not every server says so. */
function ignoredRange(answer: GetObjectCommandOutput, key: string): StorageError {
  if (answer.ContentLength === 0) return rangeError(key)
  return new StorageError('ERR_BACKEND', 'The storage ignored the range that was asked for.', {
    operation: 'get',
    key,
  })
}

function rangeError(key: string): StorageError {
  return new StorageError('ERR_RANGE', 'The range lies outside of the file.', { operation: 'get', key })
}

function toReadable(body: unknown, key: string): Readable {
  if (body instanceof Readable) return body
  throw new StorageError('ERR_BACKEND', 'The storage answered without a body.', { operation: 'get', key })
}
