import { untilAborted } from './abort.js'
import type { Backends } from './backends.js'
import { type CdnOptions, type CdnSigner, originOf, withOrigin } from './cdn.js'
import type { DiskOptions } from './disk-options.js'
import type { Driver, SignUrlOptions } from './driver.js'
import { StorageError } from './errors.js'
import type { ProxyUrls } from './proxy-url.js'
import { encodeKey, encodeUri } from './uri.js'
import { answerOf, type FileFacts } from './url-answer.js'
import type { ColumnUrls, UrlPolicy, UrlRequest } from './url-policy.js'

/** An object that the caller may read. */
export interface UrlTarget {
  readonly backend: string
  readonly tenant: string | null
  readonly objectKey: string
  readonly facts: FileFacts
  readonly column?: ColumnUrls
}

/** A signed URL, and the window in which it is handed out, in milliseconds since 1970. */
export interface SignedUrl {
  readonly url: string
  readonly from: number
  readonly until: number
}

/** What the URLs of a disk need of its storage. */
export interface DiskUrlsContext {
  readonly backends: Backends
  readonly proxyUrls: ProxyUrls
  readonly urlPolicy: UrlPolicy
  /** The backend that new files go to, where it is the same for every tenant. */
  readonly onlyBackend: string | undefined
}

/** Milliseconds that a CDN's purge is waited for. */
const PURGE_TIME = 10_000

/** The addresses of one disk's objects. Who may have one is the disk's business. */
export class DiskUrls {
  readonly #name: string
  readonly #options: Readonly<DiskOptions>
  readonly #context: DiskUrlsContext
  readonly #cdn: (CdnOptions & { readonly backend: string; readonly origin: string | undefined }) | undefined
  #signer: CdnSigner | undefined
  #loading: Promise<CdnSigner> | undefined

  /** @throws ERR_CONFIG for a CDN in front of no backend */
  constructor(name: string, options: Readonly<DiskOptions>, context: DiskUrlsContext) {
    this.#name = name
    this.#options = options
    this.#context = context
    const { cdn } = options
    if (cdn === undefined || cdn.mode === 'none') return
    const backend = cdn.backend ?? context.onlyBackend
    if (backend === undefined || !context.backends.has(backend)) throw noBackend(name, backend)
    this.#cdn = { ...cdn, backend, origin: cdn.host === undefined ? undefined : originOf(cdn.host) }
    if (typeof cdn.signer === 'object') this.#signer = cdn.signer
  }

  /**
   * Loads what signs for the CDN, and finds out whether its backend can do what the mode needs.
   *
   * @throws ERR_CONFIG
   */
  async ready(): Promise<void> {
    if (this.#cdn === undefined) return
    const { mode, signer, backend, origin } = this.#cdn
    if (typeof signer === 'function') this.#signer = await this.#load(signer)
    const driver = await this.#context.backends.open(backend)
    const signsNothing = mode === 'origin-signed' && driver.signUrl === undefined
    const isNowhere = mode === 'public' && origin === undefined && driver.publicUrl === undefined
    if (!signsNothing && !isNowhere) return
    throw new StorageError(
      'ERR_CONFIG',
      `The disk "${this.#name}" has a cdn in the mode ${mode}, but the ${driver.kind} backend "${backend}" ${signsNothing ? 'signs no URLs' : 'has no addresses of its own: set its host'}.`,
    )
  }

  /** Once for all who wait; a failure may be tried again. */
  #load(signer: () => Promise<CdnSigner>): Promise<CdnSigner> {
    this.#loading ??= signer().catch(error => {
      this.#loading = undefined
      throw error
    })
    return this.#loading
  }

  /** The permanent address of a public object. @throws ERR_NOT_READY, ERR_BACKEND_UNKNOWN */
  permanent(backend: string, objectKey: string): string {
    this.#context.backends.get(backend) // nothing can be read from a backend that is not there
    return this.#unsigned(backend, objectKey) ?? this.#context.proxyUrls.permanent(backend, objectKey)
  }

  /** Tells the CDN that an object was replaced or deleted. */
  async purge(backend: string, objectKey: string): Promise<void> {
    if (this.#cdn?.purge === undefined) return
    const url = this.#unsigned(backend, objectKey)
    if (url !== undefined) await untilAborted(this.#cdn.purge([url]), AbortSignal.timeout(PURGE_TIME))
  }

  /** @throws ERR_NOT_READY, ERR_CONFIG for a request that asks for what there is not */
  signed(target: UrlTarget, request: UrlRequest): SignedUrl {
    const driver = this.#context.backends.get(target.backend)
    const { until, options } = this.#decide(target, request, driver)
    return { url: this.#sign(target, options, driver), from: options.at, until }
  }

  /** The same for whoever can wait: also by drivers whose credentials must ask for a signature. */
  async signedRemotely(target: UrlTarget, request: UrlRequest): Promise<string> {
    const driver = await this.#context.backends.open(target.backend)
    // No other backend is waited for than the one that holds the file.
    if (this.#usesCdn(target.backend)) await this.ready()
    const { options } = this.#decide(target, request, driver)
    // What shall live longer than such a signature can is left to the proxy.
    const lasts = options.expiresIn <= (driver.capabilities.maxExpiresIn ?? Number.POSITIVE_INFINITY)
    const asks = lasts && driver.signUrl === undefined && !this.#bypasses(target.backend)
    return (
      (asks && (await driver.signUrlRemotely?.(target.objectKey, options))) ||
      this.#sign(target, options, driver)
    )
  }

  #sign(target: UrlTarget, options: SignUrlOptions, driver: Driver): string {
    if (this.#options.serve === 'proxy') return this.#proxied(target, options)
    if (this.#bypasses(target.backend)) return this.#signedForCdn(target.objectKey, options)
    if (driver.signUrl === undefined) return this.#proxied(target, options)
    const url = driver.signUrl(target.objectKey, options)
    const isSwapped = this.#cdn?.mode === 'origin-signed' && this.#usesCdn(target.backend)
    return isSwapped && this.#cdn?.origin !== undefined ? withOrigin(url, this.#cdn.origin) : url
  }

  /** Whether the driver's own signature is of no use. */
  #bypasses(backend: string): boolean {
    const { serve } = this.#options
    return serve === 'proxy' || (this.#cdn?.mode === 'cloudfront' && this.#usesCdn(backend))
  }

  #decide(
    { backend, tenant, facts, column }: UrlTarget,
    request: UrlRequest,
    driver: Driver,
  ): { options: SignUrlOptions; until: number } {
    const { expiresIn, at, until, maxAge, disposition } = this.#context.urlPolicy.lifeOf(
      { disk: this.#name, tenant, type: facts.type, name: facts.name, column },
      this.#options.expiresIn,
      request,
      Date.now(),
      this.#bypasses(backend) ? undefined : driver,
    )
    const { contentType, contentDisposition } = answerOf(facts, disposition, request)
    const cacheControl = `private, max-age=${maxAge}`
    const method = request.method ?? 'GET'
    return {
      options: { method, expiresIn, at, contentType, contentDisposition, cacheControl },
      until,
    }
  }

  #proxied({ backend, objectKey }: UrlTarget, options: SignUrlOptions): string {
    const { at, expiresIn, method, contentType, contentDisposition } = options
    const expires = at / 1000 + expiresIn
    return this.#context.proxyUrls.sign(backend, objectKey, {
      expires,
      contentType,
      contentDisposition,
      method: method === 'HEAD' ? method : undefined,
    })
  }

  #signedForCdn(objectKey: string, { at, expiresIn, ...headers }: SignUrlOptions): string {
    if (this.#signer === undefined)
      throw new StorageError('ERR_NOT_READY', 'The storage is not ready. Wait for `await storage.ready()`.')
    const query = [
      ['response-cache-control', headers.cacheControl],
      ['response-content-disposition', headers.contentDisposition],
      ['response-content-type', headers.contentType],
    ].flatMap(([name, value = '']) => (value === '' ? [] : [`${name}=${encodeUri(value)}`]))
    const url = `${this.#cdn?.origin}/${encodeKey(objectKey)}?${query.join('&')}`
    return this.#signer.signUrl(url, { expires: at / 1000 + expiresIn })
  }

  /** The address at the CDN, as its cache knows it; undefined for objects that it does not serve. */
  #unsigned(backend: string, objectKey: string): string | undefined {
    if (!this.#usesCdn(backend)) return undefined
    const own = this.#context.backends.get(backend).publicUrl?.(objectKey)
    const origin = this.#cdn?.origin
    if (origin === undefined) return own
    // Where the backend has the bucket in the path, so has what stands in front of it; CloudFront has not.
    const hasPath = own !== undefined && this.#cdn?.mode !== 'cloudfront'
    return hasPath ? withOrigin(own, origin) : `${origin}/${encodeKey(objectKey)}`
  }

  #usesCdn(backend: string): boolean {
    return backend === this.#cdn?.backend
  }
}

function noBackend(disk: string, backend: string | undefined): StorageError {
  const text =
    backend === undefined
      ? 'must name its backend, since new files go to several.'
      : `stands in front of "${backend}", which is not configured.`
  return new StorageError('ERR_CONFIG', `The cdn of the disk "${disk}" ${text}`)
}
