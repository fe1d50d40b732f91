import type { MigrationFailure } from '../migrate/index.js'
import { withoutPasswords } from './exit-code.js'

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const
/** So many failures are named for a person; `--json` has more. */
const MOST_FAILURES = 20

/** Bytes for a person, in units of 1,024 as `--rate` takes them. */
export function sizeText(bytes: number): string {
  const step = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), UNITS.length - 1)
  const digits = step === 0 ? 0 : 1
  return `${(bytes / 1024 ** step).toFixed(digits)} ${UNITS[step]}`
}

/** `1 row`, `2 rows`. */
export function countText(count: number, one: string): string {
  return `${count.toLocaleString('en')} ${one}${count === 1 ? '' : 's'}`
}

/** The rows that failed, each on a line below the headline of a report. */
export function failureLines({ failed, failures }: Failed): readonly string[] {
  const lines = failures
    .slice(0, MOST_FAILURES)
    .map(
      ({ entity, property, row, code, message }) =>
        `  ${entity}.${property} ${row}: ${code} ${withoutPasswords(message)}`,
    )
  const more = failed - lines.length
  return more > 0 ? [...lines, `  and ${more.toLocaleString('en')} more`] : lines
}

interface Failed {
  readonly failed: number
  readonly failures: readonly MigrationFailure[]
}
