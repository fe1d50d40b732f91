/** Whether a browser shows a file in the window or saves it. */
export type Disposition = 'inline' | 'attachment'

// RFC 8187, section 3.2.1: what may stand unencoded in an extended value. encodeURIComponent leaves '()* alone.
const NOT_ATTR_CHAR = /['()*]/g

// What may stand in the quoted name. Quotes and backslashes would need escapes that clients read differently; "%" some
// decode, "/" is a path.
const PLAIN_NAME = /^[ !#$&-.0-[\]-~]*$/
const NOT_PLAIN = /[^ !#$&-.0-[\]-~]/g

/**
 * A Content-Disposition header (RFC 6266) with the file's name, for every client: plain ASCII in `filename`, the
 * true name in `filename*`. No name can break out of it or add a header.
 */
export function contentDisposition(disposition: Disposition, name: string): string {
  if (PLAIN_NAME.test(name)) return `${disposition}; filename="${name}"`
  const ascii = name
    .normalize('NFKD')
    // What is left of a letter after its accent is split off; everything else becomes "_".
    .replace(/\p{Mn}/gu, '')
    .replace(NOT_PLAIN, '_')
  return `${disposition}; filename="${ascii}"; filename*=UTF-8''${encodeExtended(name)}`
}

/**
 * S3 takes 2 KB of headers with an object, all together ("Working with object metadata", Amazon S3 User Guide). A name of
 * 255 characters in Chinese would take more by itself.
 */
const MAX_STORED = 1_500

/** The same, to be stored with an object: of a name that is too long for that, the end before its extension is left out. */
export function storedDisposition(disposition: Disposition, name: string): string {
  const extension = /\.[^.]{1,10}$/.exec(name)?.[0] ?? ''
  let stem = name.slice(0, name.length - extension.length)
  for (;;) {
    const header = contentDisposition(disposition, stem + extension)
    if (header.length <= MAX_STORED) return header
    stem = stem.slice(0, -8).replace(/[\ud800-\udbff]$/, '') // no half of a pair
  }
}

function encodeExtended(name: string): string {
  return encodeURIComponent(name.toWellFormed()).replace(NOT_ATTR_CHAR, percent)
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}
