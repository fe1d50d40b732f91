import { storedDisposition } from '../core/content-disposition.js'
import type { Disk } from '../core/disk.js'
import { isActiveType } from '../core/media-type.js'

/** A key is never used twice, so its bytes never change (RFC 8246). */
const FOR_EVER = 'public, max-age=31536000, immutable'

/** A public address overrides no header, so what must hold for it is stored with the object. */
export function storedHeaders(
  disk: Disk,
  type: string,
  name: string,
): { contentDisposition?: string; cacheControl?: string } {
  const isPublic = disk.options.visibility === 'public'
  if (!isPublic && !isActiveType(type)) return {}
  return {
    contentDisposition: storedDisposition(isActiveType(type) ? 'attachment' : 'inline', name),
    cacheControl: isPublic ? (disk.options.cacheControl ?? FOR_EVER) : undefined,
  }
}
