import { FINDING_KINDS, type Finding, type FindingKind } from './findings.js'
import type { Fix } from './mend.js'

/** What {@link reconcile} gives; as JSON it is the same. */
export interface ReconcileReport {
  readonly fix: Fix
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly endedAt: number
  /** What was compared. */
  readonly compared: {
    /** Files in rows. */
    readonly files: number
    /** Keys that rows, ledger or listing know. */
    readonly keys: number
    readonly objects: number
    readonly lines: number
    /** Objects whose bytes were read. */
    readonly read: number
  }
  /** How many findings there are of each kind, also those beyond `maxFindings`. */
  readonly counts: Readonly<Record<FindingKind, number>>
  /** How many of them were mended. */
  readonly mended: number
  /** Keys that looked wrong and were right, or were about to change, when they were looked at again. */
  readonly dismissed: number
  /** As many as `maxFindings` allows. */
  readonly findings: readonly Finding[]
}

/** Counts, and the findings as they come. */
export class ReportWriter {
  files = 0
  keys = 0
  objects = 0
  lines = 0
  read = 0
  dismissed = 0
  #found = 0
  #mended = 0
  readonly #findings: Finding[] = []
  readonly #counts = new Map<FindingKind, number>()
  readonly #startedAt = Date.now()
  readonly #max: number
  readonly #onFinding: ((finding: Finding) => void) | undefined

  constructor(max: number, onFinding: ((finding: Finding) => void) | undefined) {
    this.#max = max
    this.#onFinding = onFinding
  }

  get found(): number {
    return this.#found
  }

  add(finding: Finding): void {
    this.#found++
    if (finding.mended !== undefined) this.#mended++
    this.#counts.set(finding.kind, (this.#counts.get(finding.kind) ?? 0) + 1)
    if (this.#findings.length < this.#max) this.#findings.push(finding)
    this.#onFinding?.(finding)
  }

  report(fix: Fix): ReconcileReport {
    const { files, keys, objects, lines, read } = this
    const counts = FINDING_KINDS.map(kind => [kind, this.#counts.get(kind) ?? 0])
    return {
      fix,
      startedAt: this.#startedAt,
      endedAt: Date.now(),
      compared: { files, keys, objects, lines, read },
      counts: Object.fromEntries(counts) as Record<FindingKind, number>,
      mended: this.#mended,
      dismissed: this.dismissed,
      findings: this.#findings,
    }
  }
}

/** A report as people read it: what was compared, how many findings of each kind, and the findings. */
export function formatReport(report: ReconcileReport): string {
  const { compared, counts, findings, mended, dismissed } = report
  const seconds = (report.endedAt - report.startedAt) / 1000
  const kinds = FINDING_KINDS.filter(kind => counts[kind] > 0)
  const total = kinds.reduce((sum, kind) => sum + counts[kind], 0)
  const head = [
    `Compared ${count(compared.files)} files of rows, ${count(compared.lines)} lines of the ledger and ${count(compared.objects)} objects in ${seconds.toFixed(1)} seconds.`,
    ...(compared.read > 0 ? [`Read the bytes of ${count(compared.read)} objects.`] : []),
    ...(dismissed > 0 ? [`${count(dismissed)} keys were on the move and are right.`] : []),
    total === 0 ? 'Nothing is wrong.' : `${count(total)} findings, ${count(mended)} of them mended:`,
  ]
  const table = kinds.map(kind => `  ${kind.padEnd(20)} ${count(counts[kind])}`)
  const rest = total - findings.length
  const more = rest > 0 ? ['', `${count(rest)} more are not shown.`] : []
  return [...head, ...table, ...(total === 0 ? [] : ['']), ...findings.map(lineOf), ...more].join('\n')
}

function lineOf({ kind, backend, objectKey, rows, says, mended }: Finding): string {
  const where = objectKey === '' ? '' : ` ${backend}: ${objectKey}`
  const whose = rows.map(({ field, id }) => {
    const key = Object.entries(id).map(([name, value]) => `${name} ${value}`)
    return ` (${field}, ${key.join(', ')})`
  })
  return `${kind}${where}${whose.join('')}. ${says}${mended === undefined ? '' : ` Now ${mended}.`}`
}

function count(number: number): string {
  return number.toLocaleString('en')
}
