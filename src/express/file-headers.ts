import type { OutgoingHttpHeaders } from 'node:http'
import { contentDisposition } from '../core/content-disposition.js'
import type { GetResult, ObjectInfo } from '../core/driver.js'
import { isActiveType, withCharset } from '../core/media-type.js'
import type { ServedFile } from '../core/storage.js'

/** No signed address lives longer; nor may what was answered to it, whatever the clock says. */
const SEVEN_DAYS = 604_800

/** What holds for the file, whoever sends its bytes: how a browser may show it, and how long it may keep it. */
export function fileHeaders(file: ServedFile, info: ObjectInfo): OutgoingHttpHeaders {
  const type = withCharset(file.contentType ?? info.contentType)
  return {
    'Content-Type': type,
    'Content-Disposition': dispositionOf(file, info.contentDisposition, type),
    'Cache-Control': cacheControlOf(file, info.cacheControl),
    // What a tenant uploaded must never run as a page of the application, whatever a browser makes of it.
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "default-src 'none'; sandbox",
  }
}

/** By what a client recognises its copy. */
export function validators({ lastModified, etag }: ObjectInfo): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { 'Last-Modified': lastModified.toUTCString() }
  if (etag !== undefined) headers.ETag = etag
  return headers
}

/** The bytes that are sent. */
export function partHeaders({ size }: ObjectInfo, range: GetResult['range']): OutgoingHttpHeaders {
  if (range === undefined) return { 'Content-Length': size, 'Accept-Ranges': 'bytes' }
  return {
    'Content-Length': range.end - range.start + 1,
    'Content-Range': `bytes ${range.start}-${range.end}/${size}`,
    'Accept-Ranges': 'bytes',
  }
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
  const left = Math.floor(expires - Date.now() / 1000)
  return `private, max-age=${Math.min(Math.max(0, left), SEVEN_DAYS)}`
}
