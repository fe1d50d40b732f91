import type { DiskOptions } from './disk-options.js'
import { StorageError } from './errors.js'
import { assertKnownOptions, type OptionNames } from './known-options.js'

/** A content delivery network in front of one backend of a disk. */
export interface CdnOptions {
  /**
   * `public`: permanent addresses without a signature, for public disks whose bucket lets everybody read.
   * `origin-signed`: the backend's own signed URL with the CDN's host, for CDNs that hand the query on and ask the
   * origin under its own name (DigitalOcean's does). `cloudfront`: signed for the CDN by `signer`. `none`: no CDN.
   */
  mode: 'public' | 'origin-signed' | 'cloudfront' | 'none'
  /** `cdn.example.com`, or an https address. In mode `public` the default is the backend's own address. */
  host?: string
  /** The backend behind it. Default: the only one that new files go to. Files on other backends do not use the CDN. */
  backend?: string
  /** For mode `cloudfront`; a function is called by `storage.ready()`. */
  signer?: CdnSigner | (() => Promise<CdnSigner>)
  /** Told the addresses, without their query, of what was replaced or deleted. */
  purge?: (urls: readonly string[]) => Promise<void>
}

/** Signs addresses of a CDN without waiting; `CloudFrontSigner` is one. */
export interface CdnSigner {
  /** @param options.expires seconds since 1970 */
  signUrl(url: string, options: { expires: number }): string
  /** Cookies that open everything a pattern such as `https://cdn.example.com/media/acme/*` names. */
  cookies?(options: { resource: string; expires: number }): Record<string, string>
}

const OPTIONS: OptionNames<CdnOptions> = {
  mode: 'known',
  host: 'known',
  backend: 'known',
  signer: 'known',
  purge: 'known',
}

const MODES: readonly CdnOptions['mode'][] = ['public', 'origin-signed', 'cloudfront', 'none']

/**
 * Checks the CDN of a disk.
 *
 * @throws ERR_CONFIG; for a private disk whose URLs would lose their signature, above all
 */
export function assertCdn(
  disk: string,
  { visibility, serve, cdn }: Pick<DiskOptions, 'visibility' | 'serve' | 'cdn'>,
): void {
  if (cdn === undefined) return
  assertKnownOptions(`the cdn of the disk "${disk}"`, cdn, OPTIONS)
  const wrong = (what: string) => new StorageError('ERR_CONFIG', `The cdn of the disk "${disk}" ${what}`)
  const { mode, host, signer } = cdn
  if (!MODES.includes(mode)) throw wrong(`must have one of these modes: ${MODES.join(', ')}.`)
  if (mode === 'none') return
  if (serve === 'proxy') throw wrong('is of no use: with serve "proxy" all clients come to the application.')
  if (visibility === 'private' && mode === 'public')
    throw wrong(
      'is public, but the disk is private: its URLs would be unsigned. Use origin-signed or cloudfront.',
    )
  if (visibility === 'public' && mode !== 'public')
    throw wrong('signs URLs, but those of a public disk are permanent. Use the mode public.')
  if (host === undefined && mode !== 'public') throw wrong('needs a host, for example "cdn.example.com".')
  if (host !== undefined && originOf(host) === undefined)
    throw wrong('must have a host such as "cdn.example.com", without a path.')
  if ((signer === undefined) === (mode === 'cloudfront'))
    throw wrong('needs a signer in the mode cloudfront, and takes none in another.')
}

/** Where a CDN is reached: `https://host[:port]`; undefined for what is no host. */
export function originOf(host: string): string | undefined {
  const text = host.includes('://') ? host : `https://${host}`
  if (!URL.canParse(text)) return undefined
  const { origin, pathname, search, hash, username, password, protocol } = new URL(text)
  const isBare = pathname === '/' && search + hash + username + password === ''
  return isBare && (protocol === 'https:' || protocol === 'http:') ? origin : undefined
}

/** The same address at another origin. */
export function withOrigin(url: string, origin: string): string {
  return origin + url.slice(url.indexOf('/', url.indexOf('://') + 3))
}
