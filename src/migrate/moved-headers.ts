import type { Disk } from '../core/disk.js'
import type { ObjectInfo } from '../core/driver.js'
import type { ObjectHeaders } from '../core/object-headers.js'
import { storedHeaders } from '../upload/stored-headers.js'

/** What a file is answered with at its new place: as at the old one, unless its disk asks for something else. */
export function movedHeaders(
  disk: Disk,
  { type, name }: { readonly type: string; readonly name: string },
  { contentDisposition, cacheControl }: ObjectInfo,
): ObjectHeaders {
  const asked = storedHeaders(disk, type, name)
  if (asked.contentDisposition === undefined) return { contentType: type, contentDisposition, cacheControl }
  return { contentType: type, contentDisposition: asked.contentDisposition, cacheControl: asked.cacheControl }
}
