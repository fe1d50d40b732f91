import { StorageError, type StorageErrorCode } from '../core/errors.js'

/** How far a migration is. */
export interface MigrationProgress {
  /** Rows that were looked at, of this run alone. */
  readonly rows: number
  /** Files whose rows point to their new place. */
  readonly moved: number
  /** Rows that had another file, or were gone, when the copy was ready. */
  readonly skipped: number
  /** Rows that stay as they are, for a reason that {@link MigrationFailure} names. */
  readonly failed: number
  /** Copied. */
  readonly bytes: number
  /** Since the start. */
  readonly seconds: number
}

/** Why one file column of one row stays as it is. */
export interface MigrationFailure {
  readonly entity: string
  readonly property: string
  /** The row's primary key, as JSON. */
  readonly row: string
  readonly code: string
  readonly message: string
}

/** What a migration did. */
export interface MigrationReport extends MigrationProgress {
  readonly entity: string
  readonly to: string
  /** The first thousand of them. */
  readonly failures: readonly MigrationFailure[]
  /** Whether it ended before its work was done. */
  readonly aborted: boolean
  /** The code that one row after the other failed with, where that is why it ended. */
  readonly stoppedBy?: StorageErrorCode
}

const MOST_FAILURES = 1000

/** Counts what happens. */
export class Tally implements MigrationProgress {
  rows = 0
  moved = 0
  /** Those of them whose bytes were copied. */
  copied = 0
  skipped = 0
  failed = 0
  bytes = 0
  readonly failures: MigrationFailure[] = []
  readonly #start = performance.now()

  get seconds(): number {
    return (performance.now() - this.#start) / 1000
  }

  fail(cell: Pick<MigrationFailure, 'entity' | 'property' | 'row'>, error: unknown): void {
    this.failed++
    if (this.failures.length >= MOST_FAILURES) return
    const { code, message } = StorageError.is(error) ? error : { code: 'ERR_BACKEND', message: String(error) }
    this.failures.push({ ...cell, code, message })
  }

  snapshot(): MigrationProgress {
    const { rows, moved, skipped, failed, bytes, seconds } = this
    return { rows, moved, skipped, failed, bytes, seconds }
  }
}
