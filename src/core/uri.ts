/** What nobody would encode in a path: nearly every key of this library. */
const PLAIN_PATH = /^[\w.~/-]*$/

/**
 * Percent-encodes all but `A-Z a-z 0-9 - . _ ~` (RFC 3986, section 2.3), in capital hex, as SigV4 wants it ("UriEncode"
 * in "Signature Calculations for the Authorization Header", Amazon S3 API Reference) and Cloud Storage too ("Canonical
 * requests", its documentation). `encodeURIComponent` leaves five more characters alone.
 */
export function encodeUri(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, char => LEFT_ALONE[char] ?? char)
}

const LEFT_ALONE: Record<string, string> = { '!': '%21', "'": '%27', '(': '%28', ')': '%29', '*': '%2A' }

/** The same for an object key in a path, whose slashes stay (Amazon, same page: "except in the object key name"). */
export function encodeKey(key: string): string {
  return PLAIN_PATH.test(key) ? key : encodeUri(key).replaceAll('%2F', '/')
}
