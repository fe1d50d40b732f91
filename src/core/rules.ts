import type { Disposition } from './content-disposition.js'
import { StorageError } from './errors.js'
import { assertPathOfWords } from './key.js'
import { assertKnownOptions, type OptionNames } from './known-options.js'
import type { MaxSizeOf } from './max-size.js'
import { isTypePattern, matchesType } from './media-type.js'
import { parseSize } from './size.js'
import { assertDisposition, assertSeconds } from './url-policy.js'

/** What a file column accepts. One object serves the column, the Multer engine and {@link storeFile}. */
export interface FileRules {
  /** The disk's name. Default: `media`. */
  disk?: string
  /** Where the files lie below disk and tenant, for example `order_files`. */
  folder: string
  /**
   * Accepted types, as found in the bytes: `application/pdf`, `image/*`. Default: everything. A wildcard does
   * not include active content; write `image/svg+xml` out where you want it.
   */
  accept?: readonly string[]
  /**
   * What to do with a file whose name or claimed type says something else than its bytes, such as html called
   * `photo.png`: refuse it, or store it under the type of its bytes. Default: `refuse`.
   */
  mismatch?: 'refuse' | 'store'
  /**
   * The largest file: bytes, text such as `20mb`, or a function that is asked for each upload. Default: `50mb`, so that
   * no column is without a limit.
   */
  maxSize?: number | string | MaxSizeOf
  /** What to do with a file of no bytes. Default: `refuse`. */
  empty?: 'refuse' | 'accept'
  /** The life of the files' signed URLs in seconds. Default: as rules, disk and storage say. */
  expiresIn?: number
  /** Whether browsers show the files or save them. Default: as rules say, else shown; active content is saved. */
  disposition?: Disposition
  /** Entity and property that the files are for, so that URL rules can name it: `OrderFile.file`. `rulesOf` sets it. */
  field?: string
}

/** {@link FileRules} with every default filled in; frozen. */
export interface ResolvedRules {
  readonly disk: string
  readonly folder: string
  readonly accept: readonly string[]
  readonly mismatch: 'refuse' | 'store'
  /** In bytes. */
  readonly maxSize: number | MaxSizeOf
  readonly empty: 'refuse' | 'accept'
  readonly expiresIn?: number
  readonly disposition?: Disposition
  readonly field?: string
}

const DEFAULT_MAX_SIZE = '50mb'
/** The names of all rules. */
export const RULES: OptionNames<FileRules> = {
  disk: 'known',
  folder: 'known',
  accept: 'known',
  mismatch: 'known',
  maxSize: 'known',
  empty: 'known',
  expiresIn: 'known',
  disposition: 'known',
  field: 'known',
}

/**
 * Checks rules and fills in their defaults.
 *
 * @throws ERR_CONFIG for a folder, type or size that is not one, and for a rule that does not exist: a misspelt
 *   `maxsize` would be no limit at all
 */
export function resolveRules(rules: FileRules): ResolvedRules {
  assertKnownOptions('the rules of a file', rules, RULES)
  const { disk = 'media', folder, accept = ['*/*'], maxSize = DEFAULT_MAX_SIZE } = rules
  const { empty = 'refuse', mismatch = 'refuse' } = rules
  assertPathOfWords(folder, 'folder of a file column')
  if (!Array.isArray(accept) || accept.length === 0 || !accept.every(isTypePattern)) {
    throw new StorageError(
      'ERR_CONFIG',
      `accept is a list of types such as "application/pdf" or "image/*"; got ${JSON.stringify(accept)}.`,
    )
  }
  if (empty !== 'refuse' && empty !== 'accept')
    throw new StorageError('ERR_CONFIG', 'empty is "refuse" or "accept".')
  if (mismatch !== 'refuse' && mismatch !== 'store')
    throw new StorageError('ERR_CONFIG', 'mismatch is "refuse" or "store".')
  const { expiresIn, disposition, field } = rules
  if (expiresIn !== undefined) assertSeconds(expiresIn)
  assertDisposition(disposition)
  return Object.freeze({
    disk,
    folder,
    accept: Object.freeze([...accept]),
    mismatch,
    maxSize: typeof maxSize === 'function' ? maxSize : parseSize(maxSize),
    empty,
    ...(expiresIn === undefined ? {} : { expiresIn }),
    ...(disposition === undefined ? {} : { disposition }),
    ...(field === undefined ? {} : { field }),
  })
}

/** Whether the rules accept this type. */
export function acceptsType(rules: ResolvedRules, type: string): boolean {
  return rules.accept.some(pattern => matchesType(pattern, type))
}

/** Whether a key lies in the folder of these rules, and not below in one that may have other rules. */
export function isInFolder(rules: Pick<ResolvedRules, 'folder'>, key: string): boolean {
  return key.slice(0, key.lastIndexOf('/')) === rules.folder
}
