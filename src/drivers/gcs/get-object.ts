import type { IncomingMessage } from 'node:http'
import type { BackendCall } from '../../core/backend-calls.js'
import { resolveRange } from '../../core/byte-range.js'
import { Download } from '../../core/download.js'
import type { ByteRange, GetOptions, GetResult } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { Checksum } from './checksum.js'
import type { GcsCalls } from './gcs-calls.js'
import { toStorageError } from './gcs-errors.js'
import { INFO_FIELDS, type ObjectResource, toObjectInfo } from './resource.js'

/** How often an object may be replaced between our two requests before that is an error. */
const REPLACEMENTS = 3

/**
 * Opens an object, or a part of it. Two requests, the second one for exactly the generation that the first one
 * described: the headers of a download do not say everything that `head` says.
 */
export async function getObject(calls: GcsCalls, key: string, options: GetOptions): Promise<GetResult> {
  const call = { operation: 'get', key, signal: options.signal }
  for (let number = 1; ; number++) {
    const resource = await readResource(calls, call)
    try {
      return await openMedia(calls, call, resource, options)
    } catch (error) {
      // This generation is gone: the object was replaced just now, or deleted.
      if (number >= REPLACEMENTS || !StorageError.is(error, 'ERR_FILE_NOT_FOUND')) throw error
    }
  }
}

/** What Cloud Storage knows of an object. @throws ERR_FILE_NOT_FOUND */
export function readResource(calls: GcsCalls, call: BackendCall & { key: string }): Promise<ObjectResource> {
  const url = calls.objectUrl(call.key, { fields: INFO_FIELDS })
  return calls.json<ObjectResource>(call, { method: 'GET', url })
}

async function openMedia(
  calls: GcsCalls,
  call: BackendCall & { key: string },
  resource: ObjectResource,
  options: GetOptions,
): Promise<GetResult> {
  const { key, signal } = call
  const info = toObjectInfo(resource)
  const range = options.range && resolve(options.range, info.size, key)
  const { generation } = resource
  const answer = await calls.open(call, {
    method: 'GET',
    url: calls.objectUrl(key, { alt: 'media', ...(generation === undefined ? {} : { generation }) }),
    headers: {
      // The bytes as they are stored: without it, objects that were stored compressed come unpacked
      // ("Transcoding of gzip-compressed files", Cloud Storage documentation).
      'Accept-Encoding': 'gzip',
      ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end}` }),
    },
  })
  if (range !== undefined) assertPartial(answer, key)
  const place = { operation: 'get', bucket: calls.bucket, key }
  const body = new Download(answer, {
    key,
    idleTimeout: calls.limits.idleTimeout,
    length: range === undefined ? info.size : range.end - range.start + 1,
    ...(range === undefined && resource.crc32c !== undefined
      ? { checksum: { of: new Checksum(calls.client.crc32cGenerator), expected: resource.crc32c } }
      : {}),
    signal,
    toError: error => toStorageError(error, place),
  })
  return { body, info, ...(range === undefined ? {} : { range }) }
}

function resolve(range: ByteRange, size: number, key: string): { start: number; end: number } {
  try {
    return resolveRange(range, size)
  } catch (cause) {
    throw new StorageError('ERR_RANGE', 'The range lies outside of the file.', {
      operation: 'get',
      key,
      cause,
    })
  }
}

function assertPartial(answer: IncomingMessage, key: string): void {
  if (answer.statusCode === 206) return
  answer.destroy()
  throw new StorageError('ERR_BACKEND', 'The storage ignored the range that was asked for.', {
    operation: 'get',
    key,
  })
}
