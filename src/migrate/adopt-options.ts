import type { ObjectLiteral } from 'typeorm'
import type { StorageErrorCode } from '../core/errors.js'
import { assertKnownOptions } from '../core/known-options.js'
import { type MigrateOptions, type RunOptions, resolveRun } from './options.js'
import type { MigrationFailure, Tally } from './progress.js'

/** Which old texts to adopt, and how. */
export interface AdoptOptions<E extends ObjectLiteral>
  extends Pick<
    MigrateOptions<E>,
    'dataSource' | 'entity' | 'property' | 'tenant' | 'where' | 'tenantOf' | 'concurrency' | 'rate' | 'signal'
  > {
  /** Says what would be adopted and what would fail, by the listings of the backends, and writes nothing. */
  readonly dryRun?: boolean
  /** Told of every batch of rows that is done. */
  readonly onProgress?: (progress: AdoptProgress) => void
}

/** How far an adoption is. */
export interface AdoptProgress {
  /** Rows that were looked at, of this run alone. */
  readonly rows: number
  /** Rows that hold a file of this library now. */
  readonly adopted: number
  /** Those of them that got a copy of their file, because another row has it. */
  readonly copied: number
  /** Rows that had another text, or were gone, when their bytes were read. */
  readonly skipped: number
  /** Rows that stay as they are, for a reason that {@link MigrationFailure} names. */
  readonly failed: number
  /** Read. */
  readonly bytes: number
  /** Since the start. */
  readonly seconds: number
}

/** What an adoption did, or would do. */
export interface AdoptReport extends AdoptProgress {
  readonly entity: string
  readonly dryRun: boolean
  /** The first thousand of them. */
  readonly failures: readonly MigrationFailure[]
  /** Whether it ended before its work was done. */
  readonly aborted: boolean
  /** The code that one row after the other failed with, where that is why it ended. */
  readonly stoppedBy?: StorageErrorCode
}

/** @throws ERR_CONFIG */
export function resolveAdoptOptions<E extends ObjectLiteral>(options: AdoptOptions<E>): RunOptions<E> {
  assertKnownOptions('adoptFiles', options, {
    ...{ dataSource: 'known', entity: 'known', property: 'known', tenant: 'known', where: 'known' },
    ...{ tenantOf: 'known', concurrency: 'known', rate: 'known', dryRun: 'known' },
    ...{ onProgress: 'known', signal: 'known' },
  })
  const { dryRun: _, onProgress: __, ...run } = options
  return resolveRun('adoptFiles', run)
}

/** What is counted, in the words of an adoption. */
export function adoptProgressOf(tally: Tally): AdoptProgress {
  const { rows, moved: adopted, copied, skipped, failed, bytes, seconds } = tally
  return { rows, adopted, copied, skipped, failed, bytes, seconds }
}
