import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { crc32c, StubError, type StubObject, type StubSession, type StubStore } from './gcs-stub-store.js'

/** What the stub answers with. */
export interface StubAnswer {
  status: number
  headers?: Record<string, string>
  body?: string | Buffer
}

const CHUNK_UNIT = 256 * 1024

/** `POST /upload/storage/v1/b/BUCKET/o`: an upload in one request, or the beginning of a session. */
export function startUpload(store: StubStore, req: IncomingMessage, url: URL, bytes: Buffer): StubAnswer {
  const bucket = decodeURIComponent(url.pathname.split('/')[5] ?? '')
  store.bucket(bucket)
  const key = url.searchParams.get('name')
  const ifGenerationMatch = url.searchParams.get('ifGenerationMatch')
  const kmsKeyName = url.searchParams.get('kmsKeyName') ?? undefined
  if (key === null) throw new StubError(400, 'required', 'name is missing.')
  const type = url.searchParams.get('uploadType')
  if (type === 'multipart') {
    const { resource, content } = parseRelated(req.headers['content-type'], bytes)
    return json(store.store(bucket, key, content, { ...resource, kmsKeyName }, ifGenerationMatch))
  }
  if (type !== 'resumable') throw new StubError(400, 'invalid', 'The stub does not know this uploadType.')
  store.assertGeneration(bucket, key, ifGenerationMatch)
  const resource = {
    contentType: req.headers['x-upload-content-type'],
    kmsKeyName,
    ...(bytes.length > 0 ? (JSON.parse(bytes.toString()) as Record<string, unknown>) : {}),
  }
  const id = randomUUID()
  store.sessions.set(id, { id, bucket, key, resource, ifGenerationMatch, bytes: Buffer.alloc(0) })
  const location = `http://${req.headers.host}${url.pathname}?uploadType=resumable&name=${encodeURIComponent(key)}&upload_id=${id}`
  return { status: 200, headers: { location } }
}

/**
 * `PUT` and `DELETE` of a session's address ("Performing resumable uploads", Cloud Storage documentation).
 *
 * @param keep how many bytes of each chunk are kept, to play a storage that takes a part only
 */
export function continueUpload(
  store: StubStore,
  req: IncomingMessage,
  url: URL,
  bytes: Buffer,
  keep = Number.POSITIVE_INFINITY,
): StubAnswer {
  const session = store.sessions.get(url.searchParams.get('upload_id') ?? '')
  if (session === undefined) throw new StubError(410, 'gone', 'The session is over.')
  if (req.method === 'DELETE') {
    store.sessions.delete(session.id)
    return { status: session.done === undefined ? 499 : 204 }
  }
  if (session.done !== undefined) return json(session.done)
  const range = parseRange(req.headers['content-range'], bytes.length)
  if (range.first === undefined) {
    return range.total === session.bytes.length ? finish(store, session, req) : incomplete(session)
  }
  const { first, last, total } = range
  if (last - first + 1 !== bytes.length || (total !== undefined && last >= total))
    throw new StubError(400, 'badRequest', 'Content-Range and body differ.')
  if (first > session.bytes.length) throw new StubError(503, 'backendError', 'Bytes are missing.')
  if (last + 1 !== total && bytes.length % CHUNK_UNIT !== 0)
    throw new StubError(400, 'badRequest', 'A chunk must be a multiple of 256 KiB.')
  const fresh = bytes.subarray(session.bytes.length - first).subarray(0, keep)
  session.bytes = Buffer.concat([session.bytes, fresh])
  return session.bytes.length === total ? finish(store, session, req) : incomplete(session)
}

function finish(store: StubStore, session: StubSession, req: IncomingMessage): StubAnswer {
  const { bucket, key, bytes, resource, ifGenerationMatch } = session
  const told = /crc32c=([^,]+)/.exec(String(req.headers['x-goog-hash'] ?? ''))?.[1]
  try {
    if (told !== undefined && told !== crc32c(bytes))
      throw new StubError(400, 'invalid', 'Provided CRC32C does not match the calculated one.')
    session.done = store.store(bucket, key, bytes, resource, ifGenerationMatch)
  } catch (error) {
    store.sessions.delete(session.id)
    throw error
  }
  session.bytes = Buffer.alloc(0)
  return json(session.done)
}

function incomplete({ bytes }: StubSession): StubAnswer {
  return { status: 308, headers: bytes.length > 0 ? { range: `bytes=0-${bytes.length - 1}` } : {} }
}

/** `bytes 0-*` + `/*` is not documented, but what Google's client for Node sends: everything up to the body's end. */
function parseRange(
  header = '',
  length = 0,
):
  | { first: number; last: number; total: number | undefined }
  | { first: undefined; total: number | undefined } {
  const open = /^bytes (\d+)-\*\/\*$/.exec(header)
  if (open !== null) {
    const total = Number(open[1]) + length
    return { first: Number(open[1]), last: total - 1, total }
  }
  const match = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(header)
  if (match === null) throw new StubError(400, 'badRequest', 'Content-Range is not valid.')
  const total = match[3] === '*' ? undefined : Number(match[3])
  if (match[1] === undefined) return { first: undefined, total }
  return { first: Number(match[1]), last: Number(match[2]), total }
}

/** Two parts: the resource in JSON, and the bytes (RFC 2387). */
function parseRelated(type = '', body: Buffer): { resource: Record<string, unknown>; content: Buffer } {
  const boundary = /^multipart\/related; boundary="?([^"]+)"?$/.exec(type)?.[1]
  const bad = new StubError(400, 'badRequest', 'This is no multipart/related body.')
  if (boundary === undefined) throw bad
  const cut = Buffer.from(`--${boundary}\r\n`)
  const end = Buffer.from(`\r\n--${boundary}--`)
  const second = body.indexOf(cut, cut.length)
  const tail = body.lastIndexOf(end)
  if (!body.subarray(0, cut.length).equals(cut) || second < 0 || tail < 0) throw bad
  const [, metadata] = splitPart(body.subarray(cut.length, second - 2))
  const [headers, content] = splitPart(body.subarray(second + cut.length, tail))
  const contentType = /^content-type: (.+)$/im.exec(headers)?.[1]?.trim()
  return { resource: { contentType, ...JSON.parse(metadata.toString()) }, content }
}

function splitPart(part: Buffer): [string, Buffer] {
  const middle = part.indexOf('\r\n\r\n')
  return [part.subarray(0, middle).toString(), part.subarray(middle + 4)]
}

export function json(value: StubObject | Record<string, unknown>): StubAnswer {
  const body = JSON.stringify('bytes' in value ? value.resource : value)
  return { status: 200, headers: { 'content-type': 'application/json; charset=UTF-8' }, body }
}
