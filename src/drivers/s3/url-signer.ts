import { hash } from 'node:crypto'
import type { SignUrlOptions } from '../../core/driver.js'
import { encodeKey, encodeUri } from '../../core/uri.js'
import { basicFormat } from './basic-format.js'
import type { BucketAddress } from './bucket-address.js'
import { PreparedHmac, signingKey } from './hmac-key.js'

/** What a signature is made with. */
export interface SigningCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** Everything of a URL and its signature but the key and the response headers. */
interface Template {
  readonly method: string
  readonly second: number
  readonly expiresIn: number
  /** The query's parameters before and behind `X-Amz-Signature`, in the order of their names. */
  readonly before: string
  readonly behind: string
  /** The last parameter of all. */
  readonly last: string
  readonly hmac: PreparedHmac
}

/** A page of URLs shares one template; a few windows and lives may be in use at the same time. */
const MAX_TEMPLATES = 64

/** Few types, and few values of Cache-Control, go around. */
const MAX_ENCODED = 256

/**
 * The SDK names the operation in the query, except for HEAD. S3 ignores it; it is here because the SDK's
 * presigner is what our URLs are compared with, byte for byte.
 */
const OPERATION = {
  GET: '&x-id=GetObject',
  HEAD: '',
  PUT: '&x-id=PutObject',
  DELETE: '&x-id=DeleteObject',
} as const

/**
 * Presigns URLs with SigV4 in the query, synchronously, for one bucket and one set of credentials. The rules are
 * those of "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)" in the Amazon S3 API
 * Reference. The page lists the same parameters; `X-Amz-Content-Sha256` is the SDK's habit.
 */
export class UrlSigner {
  readonly #address: BucketAddress
  readonly #credentials: SigningCredentials
  readonly #templates = new Map<string, Template>()
  readonly #encoded = new Map<string, string>()
  readonly #origin: string
  readonly #headers: string
  #last: Template | undefined
  #day = ''
  #dayKey: Buffer = Buffer.alloc(0)

  constructor(address: BucketAddress, credentials: SigningCredentials) {
    this.#address = address
    this.#credentials = credentials
    this.#origin = address.origin + address.pathPrefix
    // Canonical headers, an empty line, the signed headers' names, and the payload's hash: a presigned URL
    // cannot know the body, so the page above has the constant UNSIGNED-PAYLOAD in its place.
    this.#headers = `\nhost:${address.host}\n\nhost\nUNSIGNED-PAYLOAD`
  }

  /** The signed URL of `key`; the key is not checked here. */
  sign(key: string, request: SignUrlOptions): string {
    const template = this.#template(request)
    const path = encodeKey(key)
    const tail = template.behind + this.#responseHeaders(request) + template.last
    const canonicalRequest = `${template.method}\n${this.#address.pathPrefix}${path}\n${template.before}${tail}${this.#headers}`
    const signature = template.hmac.sign(hash('sha256', canonicalRequest, 'hex'))
    return `${this.#origin}${path}?${template.before}&X-Amz-Signature=${signature}${tail}`
  }

  #template(request: SignUrlOptions): Template {
    const { method, at, expiresIn } = request
    const second = Math.floor(at / 1000)
    const last = this.#last
    if (last?.method === method && last.second === second && last.expiresIn === expiresIn) return last
    const name = `${method} ${second} ${expiresIn}`
    this.#last =
      this.#templates.get(name) ??
      keep(this.#templates, MAX_TEMPLATES, name, this.#makeTemplate(request, second))
    return this.#last
  }

  #makeTemplate({ method, at, expiresIn }: SignUrlOptions, second: number): Template {
    const time = basicFormat(new Date(at))
    const day = time.slice(0, 8)
    const scope = `${day}/${this.#address.region}/${this.#address.service}/aws4_request`
    const { accessKeyId, sessionToken } = this.#credentials
    return {
      method,
      second,
      expiresIn,
      before: [
        'X-Amz-Algorithm=AWS4-HMAC-SHA256',
        'X-Amz-Content-Sha256=UNSIGNED-PAYLOAD',
        `X-Amz-Credential=${encodeUri(`${accessKeyId}/${scope}`)}`,
        `X-Amz-Date=${time}`,
        `X-Amz-Expires=${expiresIn}`,
        ...(sessionToken ? [`X-Amz-Security-Token=${encodeUri(sessionToken)}`] : []),
      ].join('&'),
      behind: '&X-Amz-SignedHeaders=host',
      last: OPERATION[method],
      hmac: new PreparedHmac(this.#keyOf(day), `AWS4-HMAC-SHA256\n${time}\n${scope}\n`),
    }
  }

  /**
   * The headers to answer with, as parameters sorted by name ("GetObject", Amazon S3 API Reference). Only answers
   * with an object have them: S3 refuses none on PUT and DELETE, and the SDK sends none.
   */
  #responseHeaders({ method, cacheControl, contentDisposition, contentType }: SignUrlOptions): string {
    if (method !== 'GET' && method !== 'HEAD') return ''
    let query = ''
    if (cacheControl !== undefined) query += `&response-cache-control=${this.#encode(cacheControl)}`
    if (contentDisposition !== undefined)
      query += `&response-content-disposition=${encodeUri(contentDisposition)}`
    if (contentType !== undefined) query += `&response-content-type=${this.#encode(contentType)}`
    return query
  }

  #encode(value: string): string {
    return this.#encoded.get(value) ?? keep(this.#encoded, MAX_ENCODED, value, encodeUri(value))
  }

  #keyOf(day: string): Buffer {
    if (day !== this.#day) {
      this.#dayKey = signingKey(
        this.#credentials.secretAccessKey,
        day,
        this.#address.region,
        this.#address.service,
      )
      this.#day = day
    }
    return this.#dayKey
  }
}

/** Remembers a value; the map is emptied when it is full. */
function keep<V>(map: Map<string, V>, limit: number, name: string, value: V): V {
  if (map.size >= limit) map.clear()
  map.set(name, value)
  return value
}
