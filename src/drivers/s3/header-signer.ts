import { hash } from 'node:crypto'
import { basicFormat } from './basic-format.js'
import type { BucketAddress } from './bucket-address.js'
import { PreparedHmac, signingKey } from './hmac-key.js'
import type { SigningCredentials } from './url-signer.js'

/** In the place of the body's hash: the signature then does not cover the body. */
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD'

/** A request as it is signed. */
export interface UnsignedRequest {
  readonly method: 'PUT' | 'POST' | 'HEAD'
  /** Encoded, with the address's prefix in front. */
  readonly path: string
  /** Encoded, sorted by name, without a question mark; empty where there is none. */
  readonly query: string
  /** By name in lower case, without those that the signer adds. Undefined ones are left out. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** SHA-256 of the body in hex, or {@link UNSIGNED_PAYLOAD}. */
  readonly payload: string
}

/** Proxies may change them on the way; the SDK leaves them out of its signatures for that reason. */
const NOT_SIGNED = new Set(['cache-control', 'user-agent'])

/** What stays the same for a second. */
interface Moment {
  readonly second: number
  readonly time: string
  readonly hmac: PreparedHmac
  /** The Authorization header up to the names of the signed headers. */
  readonly credential: string
}

/**
 * Signs requests with SigV4 in their headers, for one bucket and one set of credentials. The rules are those of
 * "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)", Amazon S3 API Reference.
 */
export class HeaderSigner {
  readonly #address: BucketAddress
  readonly #credentials: SigningCredentials
  #moment: Moment | undefined
  #day = ''
  #dayKey: Buffer = Buffer.alloc(0)

  constructor(address: BucketAddress, credentials: SigningCredentials) {
    this.#address = address
    this.#credentials = credentials
  }

  /**
   * The headers to send, names and values in turn.
   *
   * @param at the time of signing, in milliseconds since 1970
   */
  sign({ method, path, query, headers, payload }: UnsignedRequest, at: number): string[] {
    const moment = this.#momentOf(at)
    const all: Readonly<Record<string, string | undefined>> = {
      ...headers,
      host: this.#address.host,
      'x-amz-content-sha256': payload,
      'x-amz-date': moment.time,
      'x-amz-security-token': this.#credentials.sessionToken,
    }
    const sent: string[] = []
    let canonical = ''
    let names = ''
    for (const name of Object.keys(all).sort()) {
      const value = all[name]
      if (value === undefined) continue
      sent.push(name, value)
      if (NOT_SIGNED.has(name)) continue
      canonical += `${name}:${canonicalValue(value)}\n`
      names += names === '' ? name : `;${name}`
    }
    const request = `${method}\n${path}\n${query}\n${canonical}\n${names}\n${payload}`
    const signature = moment.hmac.sign(hash('sha256', request, 'hex'))
    sent.push('authorization', `${moment.credential}${names}, Signature=${signature}`)
    return sent
  }

  #momentOf(at: number): Moment {
    const second = Math.floor(at / 1000)
    if (this.#moment?.second === second) return this.#moment
    const time = basicFormat(new Date(at))
    const day = time.slice(0, 8)
    const { region, service } = this.#address
    const scope = `${day}/${region}/${service}/aws4_request`
    this.#moment = {
      second,
      time,
      hmac: new PreparedHmac(this.#keyOf(day), `AWS4-HMAC-SHA256\n${time}\n${scope}\n`),
      credential: `AWS4-HMAC-SHA256 Credential=${this.#credentials.accessKeyId}/${scope}, SignedHeaders=`,
    }
    return this.#moment
  }

  #keyOf(day: string): Buffer {
    if (day !== this.#day) {
      const { region, service } = this.#address
      this.#dayKey = signingKey(this.#credentials.secretAccessKey, day, region, service)
      this.#day = day
    }
    return this.#dayKey
  }
}

/** Without spaces around, and with one where there are several (the page above: "Trim"). */
function canonicalValue(value: string): string {
  return /^ | {2}| $/.test(value) ? value.trim().replace(/ +/g, ' ') : value
}
