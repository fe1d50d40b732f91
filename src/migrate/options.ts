import { setMaxListeners } from 'node:events'
import type { DataSource, FindOptionsWhere, ObjectLiteral } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { assertKnownOptions } from '../core/known-options.js'
import { parseSize } from '../core/size.js'
import type { FreeLines } from './free-lines.js'
import type { MigrateEntity } from './one-column.js'
import type { MigrationProgress } from './progress.js'

/** How much is known for certain of a copy before its row points to it. */
export type Verify = 'size' | 'sha256' | 'read-back'

/** Which files to move, and how. */
export interface MigrateOptions<E extends ObjectLiteral> {
  /** Given to `withFiles`, and initialized. */
  dataSource: DataSource
  /** Also by its name. */
  entity: MigrateEntity<E>
  /** One file column, also below embedded classes: `meta.scan`. Default: every file column of the entity. */
  property?: string
  /** The backend that the files lie on now. Default: every one but `to`. */
  from?: string
  /** The backend that they move to. */
  to: string
  /** Only the files of this tenant; a canary. */
  tenant?: string
  /** Only these rows, by their own columns. */
  where?: FindOptionsWhere<E> | FindOptionsWhere<E>[]
  /** The tenant that a row belongs to; a file that names another one is not moved. Default: what the file says. */
  tenantOf?: (row: E) => string | null
  /** Files under way at the same time; under a `rate` fewer large ones, which would only wait. Default: 32. */
  concurrency?: number
  /** The most bytes a second, for all files together: bytes, or text such as `20mb`. Default: no limit. */
  rate?: number | string
  /**
   * `size`: as many bytes arrived as the row says. `sha256`: and they have the checksum that the row knows; the
   * checksum of a file that had none is taken. `read-back`: and the copy is read again. Default: `sha256`.
   */
  verify?: Verify
  /** Told of every batch of rows that is done. */
  onProgress?: (progress: MigrationProgress) => void
  /** Ends the migration early. What is moved stays moved, the rest stays where it is; run it again to go on. */
  signal?: AbortSignal
}

/** {@link MigrateOptions} with defaults. */
export interface ResolvedMigrateOptions<E extends ObjectLiteral> extends MigrateOptions<E> {
  readonly concurrency: number
  /** Bytes a second. */
  readonly rate: number
  readonly verify: Verify
}

/** What one run over a column goes by, whether its files move or are adopted where they are. */
export interface RunOptions<E extends ObjectLiteral> extends Omit<ResolvedMigrateOptions<E>, 'to'> {
  /** Undefined: old texts are adopted. */
  readonly to?: string
  /** For those. */
  readonly free?: FreeLines
}

const VERIFY: readonly Verify[] = ['size', 'sha256', 'read-back']

/** @throws ERR_CONFIG */
export function resolveMigrateOptions<E extends ObjectLiteral>(
  options: MigrateOptions<E>,
): ResolvedMigrateOptions<E> {
  assertKnownOptions('migrateFiles', options, {
    ...{
      dataSource: 'known',
      entity: 'known',
      property: 'known',
      from: 'known',
      to: 'known',
      tenant: 'known',
    },
    ...{ where: 'known', tenantOf: 'known', concurrency: 'known', rate: 'known', verify: 'known' },
    ...{ onProgress: 'known', signal: 'known' },
  })
  const { to, from } = options
  if (from === to) throw wrong('migrateFiles', `from and to are both "${to}"`)
  return { ...resolveRun('migrateFiles', options), to }
}

/**
 * The defaults of every run.
 *
 * @param caller stands in messages
 * @throws ERR_CONFIG
 */
export function resolveRun<E extends ObjectLiteral>(
  caller: string,
  options: Omit<MigrateOptions<E>, 'to'> & { readonly to?: string },
): RunOptions<E> {
  const { concurrency = 32, rate, verify = 'sha256', signal } = options
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw wrong(caller, `concurrency is a positive whole number; got ${concurrency}`)
  if (!VERIFY.includes(verify)) throw wrong(caller, `verify is one of ${VERIFY.join(', ')}; got ${verify}`)
  return {
    ...options,
    concurrency,
    verify,
    rate: rate === undefined ? Number.POSITIVE_INFINITY : parseSize(rate),
    ...(signal === undefined ? {} : { signal: forMany(signal) }),
  }
}

/** Every file under way listens to it, and Node warns of more than ten. */
function forMany(signal: AbortSignal): AbortSignal {
  const own = AbortSignal.any([signal])
  setMaxListeners(0, own)
  return own
}

function wrong(caller: string, what: string): StorageError {
  return new StorageError('ERR_CONFIG', `${caller}: ${what}.`)
}
