import { contentDisposition, type Disposition } from './content-disposition.js'
import { StorageError } from './errors.js'
import { isActiveType, isMediaType, withCharset } from './media-type.js'
import type { UrlRequest } from './url-policy.js'

/** What signing may know of a file besides its address. */
export interface FileFacts {
  readonly name?: string
  readonly type?: string
}

/** The facts that come with an address such as a StoredFile; a key tells none. */
export function factsOf(target: string | FileFacts): FileFacts {
  return typeof target === 'string' ? {} : target
}

/**
 * What the answer to a signed URL shall say. Active content is never shown in the window, whatever type it is to be
 * answered with. Where the type is not known here, only what was stored with the object knows whether it may be:
 * nothing of ours makes it `inline`.
 *
 * @param asked by the call, the column or a rule
 * @throws ERR_CONFIG for a contentType or a filename that is none
 */
export function answerOf(
  facts: FileFacts,
  asked: Disposition | undefined,
  { filename, contentType }: UrlRequest,
): { contentType: string | undefined; contentDisposition: string | undefined } {
  // Both may come from a query string, where a doubled parameter is a list.
  if (contentType !== undefined && !(typeof contentType === 'string' && isMediaType(contentType)))
    throw new StorageError('ERR_CONFIG', 'contentType must look like "application/pdf".')
  if (filename !== undefined && typeof filename !== 'string')
    throw new StorageError('ERR_CONFIG', 'filename must be text.')
  const own = headerOf(facts.type)
  const type = contentType ?? own
  const isActive = mayRun(own) || mayRun(contentType)
  return {
    contentType: type === undefined ? undefined : withCharset(type),
    contentDisposition: isActive
      ? contentDisposition('attachment', filename ?? facts.name ?? 'file')
      : dispositionOf(asked, filename ?? facts.name, own),
  }
}

function mayRun(type: string | undefined): boolean {
  return type !== undefined && isActiveType(type)
}

/** A row may hold anything; what is no header is no type either. */
function headerOf(type: string | undefined): string | undefined {
  return type === undefined || /^[\x20-\x7e]*$/.test(type) ? type : 'application/octet-stream'
}

function dispositionOf(
  asked: Disposition | undefined,
  name: string | undefined,
  type: string | undefined,
): string | undefined {
  const isSafe = type !== undefined
  if (name !== undefined) return contentDisposition(isSafe ? (asked ?? 'inline') : 'attachment', name)
  return isSafe || asked === 'attachment' ? asked : undefined
}
