import type { PutOptions } from './driver.js'
import { StorageError } from './errors.js'
import { isActiveType } from './media-type.js'

/** What is stored with an object and answered with it. */
export type ObjectHeaders = Pick<PutOptions, 'contentType' | 'contentDisposition' | 'cacheControl'>

/**
 * The headers that an object is stored with. A signed address of a key, and a permanent one, know no type, so what
 * must hold for active content lies with the object.
 *
 * @throws ERR_CONFIG for a value that is no header: every later answer with it would fail
 */
export function objectHeaders(options: ObjectHeaders): ObjectHeaders {
  const { contentType, contentDisposition, cacheControl } = options
  const headers = {
    contentType,
    contentDisposition: isActiveType(contentType) ? asAttachment(contentDisposition) : contentDisposition,
    cacheControl,
  }
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || /^[\x20-\x7e]*$/.test(value)) continue
    throw new StorageError(
      'ERR_CONFIG',
      `The ${name} of an object is a header: visible ASCII without line breaks.`,
    )
  }
  return headers
}

/** Under the name that was given, but never shown in the window. */
function asAttachment(disposition = 'attachment'): string {
  return /^attachment\b/i.test(disposition) ? disposition : disposition.replace(/^[^;]*/, 'attachment')
}
