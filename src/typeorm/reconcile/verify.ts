import { inLanes } from '../../core/in-lanes.js'
import { toBytes } from './byte-order.js'
import { lookAt } from './bytes.js'
import { type Candidate, type Candidates, versionOf } from './candidates.js'
import type { ReconcileContext } from './context.js'
import { findingOf, judge, type Standards, type Verdict } from './findings.js'
import type { Line } from './ledger-reads.js'
import { Mender } from './mend.js'
import { Cursor, type Known } from './merge.js'
import { filesOfRows } from './read-rows.js'
import { addressOf, holdsStill, type RowFile, SortedRows } from './sorted-rows.js'

/** Keys that are looked at together, and of them at the same time. */
const BATCH = 100
const LANES = 8

/**
 * Looks at every candidate once more: at all rows, at the line, at the object, at its rows and at the line again. What
 * is left is wrong for sure:
 *
 * - No row: the line is the same as it was before this second walk through all rows, so a row that ever had the file
 *   in between would have been met.
 * - No object: the row still has the file afterwards, and objects go after their rows only.
 * - No line: neither before nor after the look at the object, and lines come before and go after their objects.
 */
export async function verify(
  context: ReconcileContext,
  standards: Standards,
  candidates: Candidates,
): Promise<void> {
  if (candidates.count === 0) return
  const { binding, options, report } = context
  const mender = new Mender(binding.storage, binding.dataSource, binding.sql, options.fix ?? 'report')
  const sorted = new SortedRows(binding.storage, context.tables)
  try {
    await readRowsAgain(context, candidates, sorted)
    const rows = await Cursor.over(sorted.inOrder())
    let done = 0
    for await (const batch of candidates.inOrder(BATCH)) {
      for (const { candidate, known } of await lookAgain(context, batch, rows)) {
        const verdicts = known === undefined ? [] : verdictsOf(candidate, known, standards)
        if (known === undefined || verdicts.length === 0) report.dismissed++
        else
          for (const verdict of verdicts) {
            const finding = findingOf(known, verdict, context.scope)
            report.add({ ...finding, mended: await mender.mend(finding, known) })
          }
        context.step('verify', ++done, candidates.count)
      }
    }
  } finally {
    await sorted.close()
  }
}

async function readRowsAgain(
  context: ReconcileContext,
  candidates: Candidates,
  sorted: SortedRows,
): Promise<void> {
  let read = 0
  for await (const { table, row, column, file } of filesOfRows(context)) {
    context.step('rows', ++read)
    const address = addressOf(context.binding.storage, file)
    if (address !== undefined && candidates.mayHave(address.backend, address.objectKey))
      await sorted.add(table, column, row, file)
  }
}

interface Look {
  readonly candidate: Candidate
  /** Undefined where its line has changed since: it is on the move. */
  readonly known: Known | undefined
}

async function lookAgain(
  context: ReconcileContext,
  batch: readonly Candidate[],
  rows: Cursor<RowFile>,
): Promise<Look[]> {
  const { reads, binding, options } = context
  const before = byKey(await reads.of(batch))
  const known = new Map<Candidate, Known>()
  const rowsOf = new Map<Candidate, RowFile[]>()
  for (const candidate of batch) rowsOf.set(candidate, await rowsAt(rows, candidate))
  await inLanes(batch, LANES, async candidate => {
    const { backend, objectKey } = candidate
    const driver = await binding.storage.openForMaintenance(backend, 'read')
    const object = await lookAt(driver, objectKey, options.signal)
    const still: RowFile[] = []
    for (const row of rowsOf.get(candidate) ?? []) {
      const found = await binding.ledger.read(row.table.one(row.id))
      if (holdsStill(binding.storage, row, found)) still.push(row)
    }
    known.set(candidate, { backend, objectKey, line: before.get(keyOf(candidate)), rows: still, object })
  })
  const after = byKey(await reads.of(batch))
  return batch.map(candidate => {
    const versions = [before, after].map(lines => versionOf(lines.get(keyOf(candidate))))
    const isSettled = versions.every(version => version === candidate.version)
    return { candidate, known: isSettled ? known.get(candidate) : undefined }
  })
}

/** The rows at a candidate, of a cursor in the same order. */
async function rowsAt(rows: Cursor<RowFile>, candidate: Candidate): Promise<RowFile[]> {
  const found: RowFile[] = []
  while (rows.current !== undefined && toBytes(keyOf(rows.current)) <= toBytes(keyOf(candidate))) {
    if (keyOf(rows.current) === keyOf(candidate)) found.push(rows.current)
    await rows.next()
  }
  return found
}

function verdictsOf(candidate: Candidate, known: Known, standards: Standards): Verdict[] {
  const verdicts = judge(known, standards)
  const { sha256 } = candidate
  const differs = sha256 !== undefined && known.rows.some(row => row.sha256 !== null && row.sha256 !== sha256)
  if (differs && known.object !== undefined)
    verdicts.push({ kind: 'sha-differs', says: 'The bytes are others than those that were uploaded.' })
  return verdicts
}

function byKey(lines: readonly Line[]): Map<string, Line> {
  return new Map(lines.map(line => [keyOf(line), line]))
}

function keyOf({ backend, objectKey }: { backend: string; objectKey: string }): string {
  return `${backend}\t${objectKey}`
}
