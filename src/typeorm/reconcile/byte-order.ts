/**
 * Text whose characters are the bytes of its UTF-8: compared as text it is in the order of those bytes, which is the
 * order of keys in the ledger and in listings. JavaScript's own order differs beyond U+FFFF.
 */
export function toBytes(text: string): string {
  return BEYOND_ASCII.test(text) ? Buffer.from(text).toString('latin1') : text
}

/** The text again. */
export function fromBytes(bytes: string): string {
  return BEYOND_ASCII.test(bytes) ? Buffer.from(bytes, 'latin1').toString() : bytes
}

const BEYOND_ASCII = /[\u0080-\uffff]/
