import type { StorageError } from '../../core/errors.js'
import { groupBy } from './group-by.js'
import type { FailedTry } from './reap-statements.js'
import type { Failures } from './removal.js'
import type { TakenLine } from './taken-lines.js'

// Milliseconds: half a minute, a minute, two … up to four hours.
const FIRST_PAUSE = 30_000
const MAX_PAUSE = 4 * 3_600_000

const MAX_ERROR_LENGTH = 500

/** Lines that failed alike, and what is written down for them. */
export interface FailedLines {
  readonly lines: readonly TakenLine[]
  readonly failedTry: FailedTry
}

/** Sorts failed lines so that few statements write them all down. */
export function failedLines(failures: Failures, maxAttempts: number): FailedLines[] {
  const alike = groupBy(failures.keys(), line => `${line.attempts} ${textOf(failures.get(line))}`)
  return [...alike.values()].map(lines => {
    const [{ attempts } = { attempts: 0 }] = lines
    const error = textOf(lines[0] && failures.get(lines[0]))
    return { lines, failedTry: { error, pause: pauseAfter(attempts), isLast: attempts + 1 >= maxAttempts } }
  })
}

/** Twice as long after each failure, less up to a half, so that the keys of one outage do not come back at once. */
function pauseAfter(attempts: number): number {
  return Math.round(Math.min(MAX_PAUSE, FIRST_PAUSE * 2 ** attempts) * (0.5 + Math.random() / 2))
}

function textOf(error: StorageError | undefined): string {
  return `${error?.code}: ${error?.message}`.slice(0, MAX_ERROR_LENGTH)
}
