import { contentDisposition, type Disposition } from './content-disposition.js'
import { isActiveType, withCharset } from './media-type.js'

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
 * What the answer to a signed URL shall say. Active content is never shown in the window. Where the type is not
 * known here, only what was stored with the object knows whether it may be: nothing of ours makes it `inline`.
 *
 * @param asked by the call or a rule
 * @param filename the name to save under, instead of the file's own
 */
export function answerOf(
  facts: FileFacts,
  asked: Disposition | undefined,
  filename: string | undefined,
): { contentType: string | undefined; contentDisposition: string | undefined } {
  const { type } = facts
  const contentType = type === undefined ? undefined : withCharset(type)
  return { contentType, contentDisposition: dispositionOf(asked, filename ?? facts.name, type) }
}

function dispositionOf(
  asked: Disposition | undefined,
  name: string | undefined,
  type: string | undefined,
): string | undefined {
  const isSafe = type !== undefined && !isActiveType(type)
  if (type !== undefined && !isSafe) return contentDisposition('attachment', name ?? 'file')
  if (name !== undefined) return contentDisposition(isSafe ? (asked ?? 'inline') : 'attachment', name)
  return isSafe || asked === 'attachment' ? asked : undefined
}
