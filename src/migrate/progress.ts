/** How far a migration is. */
export interface MigrationProgress {
  /** Rows that were looked at, of this run alone. */
  readonly rows: number
  /** Files whose rows point to their new place. */
  readonly moved: number
  readonly skipped: number
  readonly failed: number
  /** Copied. */
  readonly bytes: number
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
}

const MOST_FAILURES = 1000

/** Counts what happens. */
export class Tally implements MigrationProgress {
  rows = 0
  moved = 0
  skipped = 0
  failed = 0
  bytes = 0
  readonly failures: MigrationFailure[] = []
  readonly #start = performance.now()

  get seconds(): number {
    return (performance.now() - this.#start) / 1000
  }

  fail(failure: MigrationFailure): void {
    this.failed++
    if (this.failures.length < MOST_FAILURES) this.failures.push(failure)
  }

  snapshot(): MigrationProgress {
    const { rows, moved, skipped, failed, bytes, seconds } = this
    return { rows, moved, skipped, failed, bytes, seconds }
  }
}
