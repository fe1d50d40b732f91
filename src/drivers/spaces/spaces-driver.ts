import { StorageError } from '../../core/errors.js'
import { S3Driver, type S3DriverOptions } from '../s3/index.js'

export interface SpacesDriverOptions
  extends Omit<S3DriverOptions, 'client' | 'region' | 'addressingStyle' | 'encryption' | 'storageClasses'> {
  /** The slug of the datacenter, for example `nyc3`. */
  region: string
}

/**
 * DigitalOcean Spaces: S3 with the endpoint of a datacenter ("Spaces API", DigitalOcean documentation).
 *
 * @example
 * new SpacesDriver({ bucket: 'acme-files', region: 'nyc3', credentials: { accessKeyId, secretAccessKey } })
 */
export class SpacesDriver extends S3Driver {
  override readonly kind = 'spaces'
  /** @throws ERR_CONFIG */
  constructor(options: SpacesDriverOptions) {
    super({
      ...options,
      endpoint: options.endpoint ?? endpointOf(options.region),
      // Spaces encrypts everything with keys of its own and takes `AES256` without doing anything with it; a class
      // belongs to the bucket, not to the object ("Spaces Features", DigitalOcean documentation).
      encryption: [],
      storageClasses: [],
    })
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
