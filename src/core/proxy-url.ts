import { createHmac, timingSafeEqual } from 'node:crypto'
import { StorageError } from './errors.js'
import { isObjectKey } from './key.js'

/** What a verified address permits. */
export interface UrlGrant {
  readonly backend: string
  readonly objectKey: string
  /** Absent for the permanent address of a public file. */
  readonly signed?: {
    /** Seconds since 1970. */
    readonly expires: number
    readonly contentType: string | undefined
    readonly contentDisposition: string | undefined
    /** Permits HEAD only. */
    readonly method?: 'HEAD'
  }
}

const SIGNATURE_BYTES = 24
const MIN_SECRET_LENGTH = 16

/**
 * Addresses that `serveFiles` answers, for backends that serve none themselves. A signed one is bound to its
 * backend, object (and with it tenant and disk), expiry, type, disposition and method: changing any of them breaks it.
 *
 *     /files/<backend>/<object key>?expires=…&type=…&disposition=…&method=…&signature=…
 */
export class ProxyUrls {
  readonly #secrets: readonly string[]
  readonly #baseUrl: string

  /**
   * @param secrets the first one signs, all verify: put a new one in front and drop the old one when its URLs
   *   have expired
   * @param baseUrl where `serveFiles` is mounted: `/files` or `https://app.example.com/files`
   */
  constructor(secrets: readonly string[], baseUrl: string) {
    if (!Array.isArray(secrets) || secrets.length === 0 || !secrets.every(isSecret)) {
      throw new StorageError(
        'ERR_CONFIG',
        `The secret that signs URLs must have at least ${MIN_SECRET_LENGTH} characters. Make one with: openssl rand -base64 32`,
      )
    }
    // Without a slash in front the addresses would be relative to the page that shows them.
    if (typeof baseUrl !== 'string' || !/^(\/|https?:\/\/|$)/.test(baseUrl)) {
      throw new StorageError(
        'ERR_CONFIG',
        'baseUrl is where serveFiles is mounted: a path such as "/files", or an http(s) address.',
      )
    }
    this.#secrets = [...secrets]
    this.#baseUrl = baseUrl.replace(/\/+$/, '')
  }

  /** The permanent address of a public file. */
  permanent(backend: string, objectKey: string): string {
    return `${this.#baseUrl}${pathOf(backend, objectKey)}`
  }

  /** @param signed.expires seconds since 1970, a whole number */
  sign(backend: string, objectKey: string, signed: NonNullable<UrlGrant['signed']>): string {
    return `${this.#baseUrl}${signedTail({ backend, objectKey, signed }, this.#secrets[0] ?? '')}`
  }

  /**
   * Checks an address as it came in, below the mount point.
   *
   * The whole tail is built anew from what was read and compared, so another order, a doubled or an added
   * parameter, or another encoding of the same characters is another address, and refused.
   *
   * @param tail path and query, for example `req.url` under `app.use('/files', …)`
   * @param now in milliseconds since 1970
   * @throws ERR_URL_INVALID, ERR_URL_EXPIRED
   */
  verify(tail: string, now: number): UrlGrant {
    const grant = readTail(tail)
    if (grant === undefined) throw invalid()
    if (grant.signed === undefined) {
      if (tail !== pathOf(grant.backend, grant.objectKey)) throw invalid()
      return grant
    }
    if (!isMoment(grant.signed.expires)) throw invalid() // NaN would never be over
    if (!this.#secrets.some(secret => sameText(tail, signedTail(grant, secret)))) throw invalid()
    if (now >= grant.signed.expires * 1000) {
      throw new StorageError('ERR_URL_EXPIRED', 'This address has expired. Ask for the file again.')
    }
    return grant
  }
}

function isSecret(secret: unknown): boolean {
  return typeof secret === 'string' && secret.length >= MIN_SECRET_LENGTH
}

/** Whole seconds since 1970, up to the last moment that a Date can hold (ECMAScript, "Time Values and Time Range"). */
function isMoment(seconds: number): boolean {
  return Number.isInteger(seconds) && seconds > 0 && seconds <= 8_640_000_000_000
}

function invalid(): StorageError {
  return new StorageError('ERR_URL_INVALID', 'This address is not valid.')
}

function pathOf(backend: string, objectKey: string): string {
  return `/${[backend, ...objectKey.split('/')].map(encodeURIComponent).join('/')}`
}

function signedTail(grant: UrlGrant, secret: string): string {
  const { backend, objectKey, signed } = grant
  const query = new URLSearchParams({ expires: String(signed?.expires) })
  if (signed?.contentType !== undefined) query.set('type', signed.contentType)
  if (signed?.contentDisposition !== undefined) query.set('disposition', signed.contentDisposition)
  if (signed?.method !== undefined) query.set('method', signed.method)
  const unsigned = `${pathOf(backend, objectKey)}?${query}`
  // The label keeps this use of the secret apart from every other: no ticket is ever a valid URL.
  const mac = createHmac('sha256', secret).update(`tenant-files:url:v1\n${unsigned}`).digest()
  return `${unsigned}&signature=${mac.subarray(0, SIGNATURE_BYTES).toString('base64url')}`
}

function readTail(tail: string): UrlGrant | undefined {
  const mark = tail.indexOf('?')
  const segments = (mark < 0 ? tail : tail.slice(0, mark)).split('/').map(decode)
  const [root, backend, ...rest] = segments
  const path = { backend: backend ?? '', objectKey: rest.join('/') }
  if (root !== '' || segments.includes(undefined) || !isObjectKey(path.objectKey)) return undefined
  return mark < 0 ? path : { ...path, signed: readQuery(new URLSearchParams(tail.slice(mark + 1))) }
}

function readQuery(query: URLSearchParams): NonNullable<UrlGrant['signed']> {
  return {
    expires: Number(query.get('expires')),
    contentType: query.get('type') ?? undefined,
    contentDisposition: query.get('disposition') ?? undefined,
    ...(query.get('method') === 'HEAD' ? { method: 'HEAD' } : {}),
  }
}

function decode(segment: string): string | undefined {
  try {
    const text = decodeURIComponent(segment)
    return text.isWellFormed() ? text : undefined
  } catch {
    return undefined // a malformed percent sequence: no address of ours
  }
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
