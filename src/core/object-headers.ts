import type { PutOptions } from './driver.js'
import { StorageError } from './errors.js'
import { isActiveType } from './media-type.js'

/** What is stored with an object and answered with it. */
export type ObjectHeaders = Pick<PutOptions, 'contentType' | 'contentDisposition' | 'cacheControl'>

/**
 * The headers that an object is stored with. A signed address of a key, and a permanent one, know no type, so what
 * must hold for active content lies with the object.
 *
 * @param cacheControl where the options say none
 * @throws ERR_CONFIG for a value that is no header: every later answer with it would fail
 */
export function objectHeaders(options: ObjectHeaders, cacheControl?: string): ObjectHeaders {
  const { contentType, contentDisposition } = options
  const headers = {
    contentType,
    contentDisposition: isActiveType(contentType) ? asAttachment(contentDisposition) : contentDisposition,
    cacheControl: options.cacheControl ?? cacheControl,
  }
  assertHeader('contentType', headers.contentType)
  assertHeader('contentDisposition', headers.contentDisposition)
  assertHeader('cacheControl', headers.cacheControl)
  return headers
}

function assertHeader(name: keyof ObjectHeaders, value: string | undefined): void {
  if (value === undefined || /^[\x20-\x7e]*$/.test(value)) return
  throw new StorageError(
    'ERR_CONFIG',
    `The ${name} of an object is a header: visible ASCII without line breaks.`,
  )
}

/** Under the name that was given, but never shown in the window. */
function asAttachment(disposition = 'attachment'): string {
  return /^attachment\b/i.test(disposition) ? disposition : disposition.replace(/^[^;]*/, 'attachment')
}
