/** What neither RFC 3986 nor Cloud Storage would encode in a path: nearly every key of this library. */
const PLAIN_PATH = /^[\w.~/-]*$/

/**
 * Percent-encodes all but `A-Z a-z 0-9 - . _ ~`, in capital hex ("Canonical requests", Cloud Storage
 * documentation; RFC 3986, section 2.3). `encodeURIComponent` leaves five more characters alone.
 */
export function encodeUri(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** The same for an object key in the path of a signed URL, whose slashes stay. */
export function encodeKey(key: string): string {
  return PLAIN_PATH.test(key) ? key : encodeUri(key).replaceAll('%2F', '/')
}
