import { hash } from 'node:crypto'
import type { SignUrlOptions } from '../../core/driver.js'
import { encodeKey, encodeUri } from '../../core/uri.js'
import { SCOPE_TAIL, type SigningKey } from './signing-key.js'

/** A URL that lacks nothing but its signature. */
export interface UnsignedUrl {
  /** What is signed. */
  readonly text: string
  /** `YYYYMMDD`, as the text has it. */
  readonly day: string
  /** Ends where the signature in hex belongs. */
  readonly url: string
}

/**
 * Writes the URLs of one bucket for V4 signatures. The rules are those of "Signatures" and "Canonical requests" in the
 * Cloud Storage documentation; the order of the parameters in the URL, and the path style, are the SDK's, so that its
 * `getSignedUrl` gives the same URL byte for byte.
 */
export class UrlWriter {
  readonly #by: Pick<SigningKey, 'algorithm' | 'signer'>
  readonly #origin: string
  readonly #path: string
  /** Canonical headers, an empty line, the signed headers' names, and what stands for a body nobody knows yet. */
  readonly #headers: string

  /** @param endpoint where the XML API is: the SDK's `apiEndpoint` */
  constructor(endpoint: string, bucket: string, by: Pick<SigningKey, 'algorithm' | 'signer'>) {
    const { origin, hostname } = new URL(endpoint)
    this.#by = by
    this.#origin = origin
    this.#path = `/${bucket}/`
    // Without a port, as the SDK has it.
    this.#headers = `\nhost:${hostname}\n\nhost\nUNSIGNED-PAYLOAD`
  }

  /** The URL of `key`; the key is not checked here. */
  write(key: string, request: SignUrlOptions): UnsignedUrl {
    const { algorithm, signer } = this.#by
    const time = basicFormat(new Date(request.at))
    const day = time.slice(0, 8)
    const scope = `${day}/${SCOPE_TAIL}`
    const query = `X-Goog-Algorithm=${algorithm}&X-Goog-Credential=${encodeUri(`${signer}/${scope}`)}&X-Goog-Date=${time}&X-Goog-Expires=${request.expiresIn}&X-Goog-SignedHeaders=host`
    const { sorted, unsorted } = responseHeaders(request)
    const path = this.#path + encodeKey(key)
    const canonicalRequest = `${request.method}\n${path}\n${query}${sorted}${this.#headers}`
    const text = `${algorithm}\n${time}\n${scope}\n${hash('sha256', canonicalRequest, 'hex')}`
    return { text, day, url: `${this.#origin}${path}?${query}${unsorted}&X-Goog-Signature=` }
  }
}

/**
 * The headers to answer with. Signed in the order of their names, written as the SDK writes them. Only answers
 * with an object have them.
 */
function responseHeaders({ method, cacheControl, contentDisposition, contentType }: SignUrlOptions): {
  sorted: string
  unsorted: string
} {
  if (method !== 'GET' && method !== 'HEAD') return { sorted: '', unsorted: '' }
  const cache = parameter('response-cache-control', cacheControl)
  const disposition = parameter('response-content-disposition', contentDisposition)
  const type = parameter('response-content-type', contentType)
  return { sorted: cache + disposition + type, unsorted: cache + type + disposition }
}

function parameter(name: string, value: string | undefined): string {
  return value === undefined ? '' : `&${name}=${encodeUri(value)}`
}

/** ISO 8601's basic format with seconds: `20261123T063000Z`. */
function basicFormat(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
}
