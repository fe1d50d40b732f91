import type { ObjectInfo } from '../../core/driver.js'

/** The fields of an object's resource that are asked for ("Objects", Cloud Storage JSON API). All may be absent. */
export interface ObjectResource {
  name?: string
  /** A decimal number: it may be larger than JSON's are in JavaScript. */
  size?: string
  contentType?: string
  contentDisposition?: string
  cacheControl?: string
  etag?: string
  updated?: string
  /** Names the bytes: it changes whenever the object is replaced. */
  generation?: string
  /** Base64 of the CRC32C of the bytes, in network order. */
  crc32c?: string
  metadata?: Record<string, string>
  storageClass?: string
}

export const INFO_FIELDS =
  'name,size,contentType,contentDisposition,cacheControl,etag,updated,generation,crc32c,metadata'

/**
 * What Cloud Storage says of an object. There is no `version`: every object has a generation, on buckets that keep
 * no versions too.
 */
export function toObjectInfo(resource: ObjectResource): ObjectInfo {
  const { contentDisposition, cacheControl, etag } = resource
  return {
    size: Number(resource.size ?? 0),
    contentType: resource.contentType ?? 'application/octet-stream',
    ...(contentDisposition === undefined ? {} : { contentDisposition }),
    ...(cacheControl === undefined ? {} : { cacheControl }),
    ...(etag === undefined ? {} : { etag: quoted(etag) }),
    lastModified: new Date(resource.updated ?? 0),
  }
}

/** As HTTP writes it (RFC 9110, section 8.8.3): JSON has it bare. */
export function quoted(etag: string): string {
  return `"${etag}"`
}
