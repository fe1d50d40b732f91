import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Request, RequestHandler, Response } from 'express'
import { contentDisposition } from '../core/content-disposition.js'
import type { GetResult, ObjectInfo } from '../core/driver.js'
import { StorageError } from '../core/errors.js'
import { publish } from '../core/events.js'
import { SHARED_TENANT } from '../core/key.js'
import { isActiveType } from '../core/media-type.js'
import type { ServedFile, Storage } from '../core/storage.js'
import { boundTenant, runWithTenant, tryGetTenant } from '../core/tenant.js'
import { parseRange } from './range-header.js'

/**
 * Serves the signed addresses of private files and the permanent ones of public files, for backends that serve
 * none themselves. Mount it at the storage's `baseUrl`, before `tenant()`: the verified address names the tenant.
 *
 * Answers GET and HEAD, with one Range. ERR_URL_INVALID and ERR_URL_EXPIRED (403), ERR_FILE_NOT_FOUND (404, also
 * for a file of another tenant than the one the request acts for), ERR_RANGE (416) and ERR_METHOD (405) go to the
 * error handler.
 *
 * @example app.use('/files', serveFiles(storage))
 */
export function serveFiles(storage: Storage): RequestHandler {
  return function serveFiles(req, res, next) {
    const left = new AbortController()
    res.once('close', () => left.abort())
    serve(storage, req, res, left.signal).catch(error => {
      // Once bytes are out, the only honest answer to a failure is to break the connection; the handler is told all
      // the same, so that somebody hears of it.
      if (res.headersSent) res.destroy()
      next(error)
    })
  }
}

async function serve(storage: Storage, req: Request, res: Response, left: AbortSignal): Promise<void> {
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    res.set('Allow', 'GET, HEAD')
    throw new StorageError('ERR_METHOD', 'Files are read with GET and HEAD.')
  }
  const file = storage.verifyUrl(req.url)
  if (file.method === 'HEAD' && req.method !== 'HEAD')
    throw new StorageError('ERR_URL_INVALID', 'This address is for HEAD requests only.')
  assertSameTenant(req, file)
  const found = await find(storage, file, req, res, left)
  if (found === undefined) return
  setHeaders(res, file, found)
  if (found.body === undefined) res.end()
  else await send(found.body, lengthOf(found), res, left)
}

/** What an answer needs; to HEAD it has no body. */
type Found = Pick<GetResult, 'info' | 'range'> & { body?: Readable }

/** Undefined where the reader has left meanwhile: that is no failure, and there is nobody to answer to. */
async function find(
  storage: Storage,
  file: ServedFile,
  req: Request,
  res: Response,
  left: AbortSignal,
): Promise<Found | undefined> {
  try {
    if (req.method === 'HEAD') return { info: await stat(storage, file, left) }
    return await read(storage, file, req, res, left)
  } catch (error) {
    if (left.aborted) return undefined
    throw error
  }
}

/** @throws the body's failure; a reader who leaves early is none */
async function send(body: Readable, length: number, res: Response, left: AbortSignal): Promise<void> {
  let failure: Error | undefined
  const early = () => new StorageError('ERR_BACKEND', 'The body of the file ended early.')
  body.once('close', () => {
    // Whoever closes first is the cause; the pipeline then closes the other one.
    if (left.aborted || body.readableEnded) return
    failure = body.errored ?? early()
  })
  // A reader who was promised more bytes would wait for them: the connection must break.
  async function* whole(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let seen = 0
    for await (const chunk of chunks) {
      seen += chunk.length
      yield chunk
    }
    if (seen === length) return
    failure = early()
    throw failure
  }
  await pipeline(body, whole, res).catch(() => {})
  if (failure !== undefined) throw failure
}

async function read(
  storage: Storage,
  file: ServedFile,
  req: Request,
  res: Response,
  signal: AbortSignal,
): Promise<GetResult> {
  const range = parseRange(req.get('Range'))
  const disk = storage.disk(file.address.disk)
  try {
    return await asOwner(file, () => disk.get(file.address, { range, signal }))
  } catch (error) {
    if (!StorageError.is(error, 'ERR_RANGE')) throw error
    const { size } = await stat(storage, file, signal)
    res.set('Content-Range', `bytes */${size}`)
    throw error
  }
}

async function stat(storage: Storage, file: ServedFile, signal: AbortSignal): Promise<ObjectInfo> {
  return asOwner(file, () => storage.disk(file.address.disk).head(file.address, { signal }))
}

/** The address itself is the permission, so the file is read on its owner's behalf. */
function asOwner<T>({ address }: ServedFile, fn: () => T): T {
  return address.tenant === null || address.tenant === SHARED_TENANT
    ? fn()
    : runWithTenant(address.tenant, fn)
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

function setHeaders(res: Response, file: ServedFile, { info, range }: Found): void {
  const type = file.contentType ?? info.contentType
  res.status(range === undefined ? 200 : 206)
  if (range !== undefined) res.set('Content-Range', `bytes ${range.start}-${range.end}/${info.size}`)
  res.set({
    'Content-Type': type,
    'Content-Length': String(lengthOf({ info, range })),
    'Content-Disposition': dispositionOf(file, info.contentDisposition, type),
    'Accept-Ranges': 'bytes',
    'Last-Modified': info.lastModified.toUTCString(),
    'Cache-Control': cacheControlOf(file, info.cacheControl),
    // What a tenant uploaded must never run as a page of the application, whatever a browser makes of it.
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "default-src 'none'; sandbox",
  })
  if (info.etag !== undefined) res.set('ETag', info.etag)
}

function lengthOf({ info, range }: Found): number {
  return range === undefined ? info.size : range.end - range.start + 1
}

function dispositionOf(file: ServedFile, stored: string | undefined, type: string): string {
  const disposition = file.contentDisposition ?? stored
  if (!isActiveType(type)) return disposition ?? 'inline'
  return disposition?.startsWith('attachment')
    ? disposition
    : contentDisposition('attachment', fileNameOf(file))
}

function fileNameOf({ address }: ServedFile): string {
  return address.key.slice(address.key.lastIndexOf('/') + 1)
}

/** A private answer may be kept for as long as its address is good. */
function cacheControlOf({ expires }: ServedFile, stored: string | undefined): string {
  if (expires === undefined) return stored ?? 'public, max-age=0'
  return `private, max-age=${Math.max(0, Math.floor(expires - Date.now() / 1000))}`
}
