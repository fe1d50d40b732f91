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
    serve(storage, req, res).catch(error => {
      // Once bytes are out, the only honest answer to a failure is to break the connection.
      if (res.headersSent) res.destroy()
      else next(error)
    })
  }
}

async function serve(storage: Storage, req: Request, res: Response): Promise<void> {
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    res.set('Allow', 'GET, HEAD')
    throw new StorageError('ERR_METHOD', 'Files are read with GET and HEAD.')
  }
  const file = storage.verifyUrl(req.url)
  assertSameTenant(req, file)
  await storage.ready()
  await answer(storage, file, req, res)
}

async function answer(storage: Storage, file: ServedFile, req: Request, res: Response): Promise<void> {
  const left = new AbortController()
  res.once('close', () => left.abort())
  if (req.method === 'HEAD') {
    setHeaders(res, file, { info: await stat(storage, file, left.signal) })
    res.end()
    return
  }
  const found = await read(storage, file, req, res, left.signal)
  setHeaders(res, file, found)
  await pipeline(found.body, res).catch(error => {
    if (!left.signal.aborted) throw error // a reader who leaves early is no failure
  })
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

function setHeaders(
  res: Response,
  file: ServedFile,
  { info, range }: Pick<GetResult, 'info' | 'range'>,
): void {
  const type = file.contentType ?? info.contentType
  res.status(range === undefined ? 200 : 206)
  if (range !== undefined) res.set('Content-Range', `bytes ${range.start}-${range.end}/${info.size}`)
  res.set({
    'Content-Type': type,
    'Content-Length': String(range === undefined ? info.size : range.end - range.start + 1),
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
