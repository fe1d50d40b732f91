/**
 * Browsers send the bytes of a file name as UTF-8 (WHATWG HTML, "multipart/form-data encoding algorithm"); busboy
 * reads each byte as one Latin-1 character. This puts them together again, where they are UTF-8 indeed: a name
 * with a character above U+00FF was decoded by someone else already.
 */
export function decodeFileName(name: string): string {
  if (!/[\u0080-\u00ff]/.test(name) || /[\u0100-\uffff]/.test(name)) return name
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(name, 'latin1'))
  } catch {
    return name // Latin-1 indeed, from a client that sends it
  }
}
