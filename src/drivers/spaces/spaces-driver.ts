import type { DriverCapabilities, SignUrlOptions } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { S3Driver, type S3DriverOptions } from '../s3/index.js'
import { isPathStyle } from '../s3/options.js'
import { cdnOrigin } from './cdn-origin.js'

export interface SpacesDriverOptions extends Omit<S3DriverOptions, 'client' | 'region'> {
  /** The slug of the datacenter, for example `nyc3`. */
  region: string
  /**
   * The host of the bucket's CDN, for example `acme-files.nyc3.cdn.digitaloceanspaces.com`, or a subdomain of your
   * own: signed URLs for downloads then lead there. Default: they lead to the bucket itself.
   */
  cdnEndpoint?: string
}

/**
 * DigitalOcean Spaces: S3 with the endpoint of a datacenter ("Spaces API", DigitalOcean documentation).
 *
 * @example
 * new SpacesDriver({ bucket: 'acme-files', region: 'nyc3', credentials: { accessKeyId, secretAccessKey } })
 */
export class SpacesDriver extends S3Driver {
  override readonly kind = 'spaces'
  /**
   * Spaces encrypts everything with keys of its own and takes `AES256` without doing anything with it; a class belongs
   * to the bucket, not to the object ("Spaces Features", DigitalOcean documentation).
   */
  override readonly capabilities: DriverCapabilities = {
    createOnly: true,
    metadata: true,
    signedUrls: true,
    maxExpiresIn: 604_800,
    encryption: [],
    storageClasses: [],
  }

  readonly #cdn: string | undefined

  /** @throws ERR_CONFIG */
  constructor({ cdnEndpoint, ...options }: SpacesDriverOptions) {
    const endpoint = options.endpoint ?? endpointOf(options.region)
    super({ ...options, endpoint })
    this.#cdn = cdnEndpoint === undefined ? undefined : cdnOrigin(cdnEndpoint)
    if (this.#cdn !== undefined && isPathStyle({ ...options, endpoint })) {
      throw new StorageError(
        'ERR_CONFIG',
        'A CDN endpoint needs the bucket in the host name: leave addressingStyle "path" and endpoints that are IP addresses away.',
      )
    }
  }

  /**
   * As the S3 driver's. With a CDN the URL of a GET is signed for the bucket and then gets the host of the CDN, which
   * asks the bucket under its own name: "How to Enable the Spaces CDN", DigitalOcean documentation. That page speaks
   * of GetObject and of virtual-hosted URLs alone, so every other method goes to the bucket.
   */
  override signUrl(key: string, options: SignUrlOptions): string {
    const url = super.signUrl(key, options)
    if (this.#cdn === undefined || options.method !== 'GET') return url
    return this.#cdn + url.slice(url.indexOf('/', 'https://'.length))
  }
}

function endpointOf(region: unknown): string {
  if (typeof region === 'string' && /^[a-z]{3}[0-9]$/.test(region))
    return `https://${region}.digitaloceanspaces.com`
  throw new StorageError(
    'ERR_CONFIG',
    'Set the region of Spaces to the slug of its datacenter, for example "nyc3".',
  )
}
