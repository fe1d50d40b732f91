/** What neither RFC 3986 nor S3 would encode in a path: nearly every key of this library. */
const PLAIN_PATH = /^[\w.~/-]*$/

/**
 * Percent-encodes as SigV4 wants it: all but `A-Z a-z 0-9 - . _ ~`, in capital hex ("UriEncode" in "Signature
 * Calculations for the Authorization Header", Amazon S3 API Reference; RFC 3986, section 2.3).
 * `encodeURIComponent` leaves five more characters alone.
 */
export function encodeUri(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** The same for an object key in a path: its slashes stay (same page: "except in the object key name"). */
export function encodeKey(key: string): string {
  return PLAIN_PATH.test(key) ? key : encodeUri(key).replaceAll('%2F', '/')
}
