/** Whether a browser shows a file in the window or saves it. */
export type Disposition = 'inline' | 'attachment'

// RFC 8187, section 3.2.1: what may stand unencoded in an extended value. encodeURIComponent leaves '()* alone.
const NOT_ATTR_CHAR = /['()*]/g

/**
 * A Content-Disposition header (RFC 6266) with the file's name, for every client: plain ASCII in `filename`, the
 * true name in `filename*`. No name can break out of it or add a header.
 */
export function contentDisposition(disposition: Disposition, name: string): string {
  const ascii = name
    .normalize('NFKD')
    // What is left of a letter after its accent is split off; everything else outside of ASCII becomes "_".
    .replace(/\p{Mn}/gu, '')
    // Quotes and backslashes would need escapes that clients read differently; "%" some decode, "/" is a path.
    .replace(/[^ !#$&-.0-[\]-~]/g, '_')
  const plain = `${disposition}; filename="${ascii}"`
  return ascii === name ? plain : `${plain}; filename*=UTF-8''${encodeExtended(name)}`
}

function encodeExtended(name: string): string {
  return encodeURIComponent(name.toWellFormed()).replace(NOT_ATTR_CHAR, percent)
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}
