import type { OutgoingHttpHeaders } from 'node:http'
import type { Request, RequestHandler, Response } from 'express'
import type { ByteRange, Driver, GetResult, ObjectInfo } from '../core/driver.js'
import { StorageError } from '../core/errors.js'
import { publish } from '../core/events.js'
import { SHARED_TENANT } from '../core/key.js'
import { assertKnownOptions } from '../core/known-options.js'
import type { ServedFile, Storage } from '../core/storage.js'
import { boundTenant, tryGetTenant } from '../core/tenant.js'
import { AccelRedirect } from './accel-redirect.js'
import { isConditional, judge, permitsRange } from './conditions.js'
import { fileHeaders, partHeaders, validators } from './file-headers.js'
import { parseRange } from './range-header.js'
import { type Answer, sendAnswer } from './send-answer.js'

/** How {@link serveFiles} hands files over. */
export interface ServeFilesOptions {
  /**
   * Let nginx send the files that lie in a folder of this machine. The value is the path of an internal location,
   * with a slash at both ends; the backend's name and the file's path follow it. Default: the bytes go through Node.
   */
  accelRedirect?: string
}

/** One request, and what it may read. */
interface Reading {
  readonly req: Request
  readonly res: Response
  readonly file: ServedFile
  readonly driver: Driver
  readonly objectKey: string
  /** Aborts when the client leaves before it has everything. */
  readonly left: AbortSignal
}

/**
 * Serves the signed addresses of private files and the permanent ones of public files, from any backend. Mount it at
 * the storage's `baseUrl`, before `tenant()`: the verified address names the tenant.
 *
 * Answers GET and HEAD, conditional requests (RFC 9110, section 13) and one Range; several ranges that touch are
 * one. ERR_URL_INVALID and ERR_URL_EXPIRED (403), ERR_FILE_NOT_FOUND (404, also for a file of another tenant than
 * the one the request acts for), ERR_PRECONDITION (412), ERR_RANGE (416) and ERR_METHOD (405) go to the error
 * handler.
 *
 * @throws ERR_CONFIG for an `accelRedirect` that is no path with a slash at both ends, and for an option that does
 *   not exist
 * @example app.use('/files', serveFiles(storage))
 */
export function serveFiles(storage: Storage, options: ServeFilesOptions = {}): RequestHandler {
  assertKnownOptions('serveFiles()', options, { accelRedirect: 'known' })
  const accel = options.accelRedirect === undefined ? undefined : new AccelRedirect(options.accelRedirect)
  return function serveFiles(req, res, next) {
    const left = new AbortController()
    res.once('close', () => {
      if (!res.writableFinished) left.abort()
    })
    serve(storage, accel, req, res, left.signal).catch(error => {
      // Once bytes are out, the only honest answer to a failure is to break the connection; the handler is told all
      // the same, so that somebody hears of it.
      if (res.headersSent) res.destroy()
      next(error)
    })
  }
}

async function serve(
  storage: Storage,
  accel: AccelRedirect | undefined,
  req: Request,
  res: Response,
  left: AbortSignal,
): Promise<void> {
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    res.set('Allow', 'GET, HEAD')
    throw new StorageError('ERR_METHOD', 'Files are read with GET and HEAD.')
  }
  const file = storage.verifyUrl(req.url)
  if (file.method === 'HEAD' && req.method !== 'HEAD')
    throw new StorageError('ERR_URL_INVALID', 'This address is for HEAD requests only.')
  assertSameTenant(req, file)
  const answer = await unlessLeft(left, async () => {
    const reading = { req, res, file, left, ...(await storage.openServed(file)) }
    const place = accel?.headerOf(file, reading.driver, reading.objectKey)
    return place === undefined ? answerOf(reading) : handOver(reading, place)
  })
  if (answer !== undefined) await sendAnswer(res, answer, left)
}

/** Undefined where the client has left meanwhile: that is no failure, and there is nobody to answer to. */
async function unlessLeft<T>(left: AbortSignal, find: () => Promise<T>): Promise<T | undefined> {
  try {
    return await find()
  } catch (error) {
    if (left.aborted) return undefined
    throw error
  }
}

/** nginx adds the bytes, and answers ranges and conditions by itself. */
async function handOver(reading: Reading, place: OutgoingHttpHeaders): Promise<Answer> {
  const info = await reading.driver.head(reading.objectKey, { signal: reading.left })
  return { status: 200, headers: { ...fileHeaders(reading.file, info), ...place } }
}

async function answerOf(reading: Reading): Promise<Answer> {
  const { req, file } = reading
  const conditional = isConditional(req.headers)
  if (!conditional && req.method === 'GET') return read(reading, parseRange(req.headers.range))
  const info = await reading.driver.head(reading.objectKey, { signal: reading.left })
  const verdict = conditional ? judge(req.headers, info) : 'answer'
  const headers = { ...fileHeaders(file, info), ...validators(info) }
  if (verdict === 'failed') throw new StorageError('ERR_PRECONDITION', 'The file is another one by now.')
  if (verdict === 'not modified') return { status: 304, headers }
  if (req.method === 'HEAD') return { status: 200, headers: { ...headers, ...partHeaders(info, undefined) } }
  return readUnder(reading, info)
}

/** Reads a file whose validators are known, and were good for the client's conditions. */
async function readUnder(reading: Reading, seen: ObjectInfo): Promise<Answer> {
  const { headers } = reading.req
  if (!permitsRange(headers, seen, Date.now())) return read(reading, undefined)
  const answer = await read(reading, parseRange(headers.range))
  if (headers['if-range'] === undefined || answer.headers.ETag === seen.etag) return answer
  // Replaced since it was looked at: a part of it would not fit to the one that the client has.
  answer.body?.bytes.destroy()
  return read(reading, undefined)
}

async function read(reading: Reading, asked: ByteRange | undefined): Promise<Answer> {
  const { body, info, range } = await get(reading, asked)
  return {
    status: range === undefined ? 200 : 206,
    headers: { ...fileHeaders(reading.file, info), ...validators(info), ...partHeaders(info, range) },
    body: { bytes: body, length: range === undefined ? info.size : range.end - range.start + 1 },
  }
}

async function get(reading: Reading, range: ByteRange | undefined): Promise<GetResult> {
  const { driver, objectKey, file, res, left: signal } = reading
  // A signed address of a stored file says all that its headers would; a public one says nothing.
  const isSaid = file.contentType !== undefined && file.contentDisposition !== undefined
  try {
    return await driver.get(objectKey, { range, signal, headers: isSaid ? 'known' : undefined })
  } catch (error) {
    if (!StorageError.is(error, 'ERR_RANGE')) throw error
    const { size } = await driver.head(objectKey, { signal })
    res.set('Content-Range', `bytes */${size}`)
    throw error
  }
}

/** A request that acts for one tenant does not get another one's file, however it came by the address. */
function assertSameTenant(req: Request, { address, visibility }: ServedFile): void {
  const active = boundTenant(req) ?? tryGetTenant()
  const { disk, backend, tenant: owner, key } = address
  if (
    visibility === 'public' ||
    active === undefined ||
    owner === active ||
    owner === null ||
    owner === SHARED_TENANT
  )
    return
  publish('denied', { disk, backend, operation: 'serve', tenant: active, owner, key })
  throw new StorageError('ERR_TENANT_MISMATCH', 'There is no such file.')
}
