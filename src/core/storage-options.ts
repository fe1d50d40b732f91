import { assertCdn } from './cdn.js'
import type { DiskOptions } from './disk-options.js'
import { StorageError } from './errors.js'
import { assertKeepOptions } from './keep-options.js'
import { assertPathOfWords } from './key.js'
import { assertKnownOptions, type OptionNames } from './known-options.js'
import type { UrlOptions, UrlRule } from './url-policy.js'
import { assertSeconds } from './url-policy.js'

/** The disks of a storage that names none. */
export const DEFAULT_DISKS: Readonly<Record<string, DiskOptions>> = {
  media: { location: 'media', visibility: 'private', tenancy: 'required' },
  'public-media': { location: 'public-media', visibility: 'public', tenancy: 'required' },
  static: { location: 'static', visibility: 'public', tenancy: 'none', overwrite: 'allow' },
  shared: { location: 'media', visibility: 'private', tenancy: 'shared' },
}

const DISK_OPTIONS: OptionNames<DiskOptions> = {
  location: 'known',
  visibility: 'known',
  tenancy: 'known',
  overwrite: 'known',
  expiresIn: 'known',
  cacheControl: 'known',
  serve: 'known',
  cdn: 'known',
  storageClass: 'known',
  encryption: 'known',
}

const UPLOAD_OPTIONS: OptionNames<UploadOptions> = {
  idleTimeout: 'known',
  deadline: 'known',
  maxSizeTimeout: 'known',
}

const URL_OPTIONS: OptionNames<UrlOptions> = { expiresIn: 'known', rules: 'known', maxExpiresIn: 'known' }

const RULE_OPTIONS: OptionNames<UrlRule> = {
  types: 'known',
  extensions: 'known',
  disks: 'known',
  fields: 'known',
  expiresIn: 'known',
  disposition: 'known',
}

/**
 * Checks the disks of a storage against each other.
 *
 * @throws ERR_CONFIG when one location lies in another: a public disk inside of a private one would publish it
 */
export function assertDisks(disks: Readonly<Record<string, DiskOptions>>): void {
  const entries = Object.entries(disks)
  for (const [name, disk] of entries) {
    assertKnownOptions(`the disk "${name}"`, disk, DISK_OPTIONS)
    assertPathOfWords(disk.location, `location of the disk "${name}"`)
    assertChoices(name, disk)
    const clash = entries.find(([other, candidate]) => other !== name && overlap(disk, candidate))
    if (clash !== undefined) {
      throw new StorageError(
        'ERR_CONFIG',
        `The disks "${name}" and "${clash[0]}" overlap: no location may lie in another one.`,
      )
    }
  }
}

/** A typing error here would publish files or open them to other tenants, so nothing is taken for a default. */
function assertChoices(name: string, disk: DiskOptions): void {
  const choices: [string, unknown, readonly unknown[]][] = [
    ['visibility', disk.visibility, ['private', 'public']],
    ['tenancy', disk.tenancy, ['required', 'shared', 'none']],
    ['overwrite', disk.overwrite, [undefined, 'refuse', 'allow']],
    ['serve', disk.serve, [undefined, 'direct', 'proxy']],
  ]
  for (const [option, value, allowed] of choices) {
    if (allowed.includes(value)) continue
    const words = allowed.filter(word => word !== undefined).join(', ')
    throw new StorageError('ERR_CONFIG', `The ${option} of the disk "${name}" must be one of: ${words}.`)
  }
  if (disk.expiresIn !== undefined) assertSeconds(disk.expiresIn)
  assertKeepOptions(name, disk)
  assertCdn(name, disk)
}

function overlap(a: DiskOptions, b: DiskOptions): boolean {
  // The one permitted overlap: `media/shared/` beside `media/<tenant>/`, since no tenant may be called "shared".
  const tenancies = new Set([a.tenancy, b.tenancy])
  if (a.location === b.location && tenancies.has('shared') && tenancies.has('required')) return false
  return `${a.location}/`.startsWith(`${b.location}/`)
}

/** Bounds of every upload. All times are in seconds. */
export interface UploadOptions {
  /** The longest pause between two pieces of the body. Default: 30. */
  idleTimeout?: number
  /** The longest upload in all. Default: 3,600. */
  deadline?: number
  /** The longest wait for a `maxSize` that is a function. Default: 5. */
  maxSizeTimeout?: number
}

/** The longest time that timers can wait, in seconds; a longer one would end at once. */
const MAX_TIMER = 2_147_483

/** Fills in the defaults. @throws ERR_CONFIG for a time that is none */
export function resolveUploads(options: UploadOptions = {}): Readonly<Required<UploadOptions>> {
  assertKnownOptions('uploads', options, UPLOAD_OPTIONS)
  const { idleTimeout = 30, deadline = 3600, maxSizeTimeout = 5 } = options
  const uploads = { idleTimeout, deadline, maxSizeTimeout }
  for (const seconds of Object.values(uploads)) assertUploadTime(seconds)
  return Object.freeze(uploads)
}

/** @throws ERR_CONFIG for a time that timers cannot wait */
export function assertUploadTime(seconds: number): void {
  if (seconds > 0 && seconds <= MAX_TIMER) return
  throw new StorageError(
    'ERR_CONFIG',
    `The times of uploads are seconds, up to ${MAX_TIMER}; got ${seconds}.`,
  )
}

/** @throws ERR_CONFIG for an option that does not exist, and for a disk that is not there: such a rule would never fit */
export function assertRules(
  urls: UrlOptions | undefined,
  disks: Readonly<Record<string, DiskOptions>>,
): void {
  assertKnownOptions('urls', urls ?? {}, URL_OPTIONS)
  for (const rule of urls?.rules ?? []) assertKnownOptions('a URL rule', rule, RULE_OPTIONS)
  const named = (urls?.rules ?? []).flatMap(rule => rule.disks ?? [])
  const unknown = named.find(name => !Object.hasOwn(disks, name))
  if (unknown === undefined) return
  throw new StorageError('ERR_CONFIG', `A URL rule names the disk "${unknown}", which is not configured.`)
}
