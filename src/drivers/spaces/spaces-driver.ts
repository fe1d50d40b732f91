import { originOf, withOrigin } from '../../core/cdn.js'
import type { SignUrlOptions } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { S3Driver, type S3DriverOptions } from '../s3/index.js'
import { isPathStyle } from '../s3/options.js'

export interface SpacesDriverOptions
  extends Omit<S3DriverOptions, 'client' | 'region' | 'encryption' | 'storageClasses'> {
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
  readonly #cdn: string | undefined

  /** @throws ERR_CONFIG */
  constructor({ cdnEndpoint, ...options }: SpacesDriverOptions) {
    const endpoint = options.endpoint ?? endpointOf(options.region)
    // Spaces encrypts everything with keys of its own and takes `AES256` without doing anything with it; a class
    // belongs to the bucket, not to the object ("Spaces Features", DigitalOcean documentation).
    super({ ...options, endpoint, encryption: [], storageClasses: [] })
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
    return this.#cdn === undefined || options.method !== 'GET' ? url : withOrigin(url, this.#cdn)
  }

  /** The CDN's, where there is one. @throws ERR_NOT_READY before `ready()` */
  override publicUrl(key: string): string {
    const url = super.publicUrl(key)
    return this.#cdn === undefined ? url : withOrigin(url, this.#cdn)
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

/** @throws ERR_CONFIG for what has a path, a query or another scheme: it would get lost when hosts are swapped */
function cdnOrigin(endpoint: string): string {
  const origin = originOf(endpoint)
  if (origin?.startsWith('https:')) return origin
  throw new StorageError(
    'ERR_CONFIG',
    'The CDN endpoint of Spaces must be a host alone, for example "acme-files.nyc3.cdn.digitaloceanspaces.com".',
  )
}
