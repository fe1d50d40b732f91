import { StorageError } from '../core/errors.js'
import { assertKnownOptions } from '../core/known-options.js'
import type { LegacyFile, LegacyReader } from './legacy.js'

/** What old paths have in common. */
export interface LegacyPathOptions {
  /**
   * What stands in front of `<tenant>/<key>`, or one of several such beginnings; empty where nothing does. A slash at its
   * end makes no difference.
   */
  base: string | readonly string[]
  /** The backend that the old files lie on. */
  backend: string
  /** `none` on a disk that belongs to no single tenant: then the key begins right behind `base`. Default: `in-path`. */
  tenancy?: 'in-path' | 'none'
}

/** What old addresses have in common. */
export interface LegacyUrlOptions extends LegacyPathOptions {
  /**
   * `none` for addresses that were put together from names as they are, without percent-encoding; then `?`, `#` and `%` are
   * a part of the name. Default: `percent`.
   */
  encoding?: 'percent' | 'none'
}

/**
 * Reads the paths that Multer's diskStorage (`file.path`), multer-s3 (`file.key`) or Django's FileField wrote. Such a path
 * is the name itself: nothing is decoded. Backslashes are those of Windows.
 *
 * @throws ERR_CONFIG
 * @example
 * \@FileColumn({ folder: 'order_files', legacy: legacyPath({ base: 'uploads', backend: 'local' }) })
 * file!: StoredFile | null   // uploads/acme/2019/report.pdf
 */
export function legacyPath(options: LegacyPathOptions): LegacyReader {
  assertKnownOptions('legacyPath', options, { base: 'known', backend: 'known', tenancy: 'known' })
  const bases = basesOf('legacyPath', options).map(base => withSlash(plain(base)))
  return text => below(plain(text), bases, options)
}

/**
 * Reads addresses: hand-made ones such as `/media/acme/report.pdf`, `file.location` of multer-s3, those of a CDN. A query is
 * cut off, percent-encoding is taken away once, and where `base` has a host only addresses of this host are read.
 *
 * @throws ERR_CONFIG
 * @example
 * legacyUrl({ base: ['/media', 'https://cdn.example.com/media'], backend: 'local' })
 */
export function legacyUrl(options: LegacyUrlOptions): LegacyReader {
  assertKnownOptions('legacyUrl', options, {
    ...{ base: 'known', backend: 'known', tenancy: 'known', encoding: 'known' },
  })
  const { encoding = 'percent' } = options
  if (!['percent', 'none'].includes(encoding))
    throw new StorageError('ERR_CONFIG', 'legacyUrl: encoding is "percent" or "none".')
  const bases = basesOf('legacyUrl', options).map(base => {
    const address = decoded(base, encoding)
    if (address !== undefined) return withSlash(address)
    throw new StorageError('ERR_CONFIG', `legacyUrl: the base ${base} is not percent-encoded.`)
  })
  return text => {
    const address = decoded(text, encoding)
    return address === undefined ? undefined : below(address, bases, options)
  }
}

function basesOf(caller: string, { base, backend, tenancy = 'in-path' }: LegacyPathOptions): string[] {
  const bases: unknown[] = [base].flat()
  const wrong = (what: string) => new StorageError('ERR_CONFIG', `${caller}: ${what}.`)
  if (bases.length === 0 || !bases.every(each => typeof each === 'string'))
    throw wrong('base is what stands in front of the tenant: text, or a list of texts')
  if (typeof backend !== 'string' || backend === '')
    throw wrong('backend is the name of the one that the old files lie on')
  if (!['in-path', 'none'].includes(tenancy)) throw wrong('tenancy is "in-path" or "none"')
  return bases as string[]
}

/** Windows writes the same path with backslashes. */
function plain(path: string): string {
  return path.replaceAll('\\', '/').replace(/^(\.\/)+/, '')
}

function withSlash(base: string): string {
  return base === '' || base.endsWith('/') ? base : `${base}/`
}

const ADDRESS = /^(?:[a-z][a-z0-9+.-]*:)?\/\/([^/?#\\]*)(.*)$/is

/**
 * Host and path of an address, whatever its scheme. By hand: `URL` would take `..` away, which is to be refused.
 *
 * @returns undefined where the encoding is broken
 */
function decoded(text: string, encoding: 'percent' | 'none'): string | undefined {
  const [, host, behind = text] = ADDRESS.exec(text) ?? []
  const [path = ''] = encoding === 'none' ? [behind] : behind.split(/[?#]/, 1)
  const front = host === undefined ? '' : `//${host.toLowerCase()}`
  try {
    return front + (encoding === 'none' ? path : decodeURIComponent(path))
  } catch {
    return undefined
  }
}

function below(
  path: string,
  bases: readonly string[],
  { backend, tenancy }: LegacyPathOptions,
): LegacyFile | undefined {
  const base = bases.find(each => path.startsWith(each))
  if (base === undefined) return undefined
  const segments = path.slice(base.length).split('/')
  const name = segments.at(-1) ?? ''
  if (tenancy === 'none') return { tenant: null, key: segments.join('/'), name, backend }
  const [tenant = '', ...key] = segments
  return { tenant, key: key.join('/'), name, backend }
}
