import { inLanes } from '../../core/in-lanes.js'
import { sha256Of } from './bytes.js'
import type { Candidates } from './candidates.js'
import type { ReconcileContext } from './context.js'
import { judge, type Standards } from './findings.js'
import { Cursor, type Known, merge } from './merge.js'
import type { SortedRows } from './sorted-rows.js'

/** Objects that are read at the same time. */
const LANES = 8
const READ_TOGETHER = 64

/** Joins rows, ledger and listing, and notes every key that looks wrong. */
export async function compare(
  context: ReconcileContext,
  standards: Standards,
  rows: SortedRows,
  candidates: Candidates,
): Promise<void> {
  const { report } = context
  let unread: Known[] = []
  for await (const known of allKeys(context, rows)) {
    context.step('compare', ++report.keys)
    if (known.object !== undefined) report.objects++
    if (known.line !== undefined) report.lines++
    if (judge(known, standards).length > 0) await candidates.add(known)
    if (context.options.check !== 'bytes' || expectedSha(known) === undefined) continue
    unread.push(known)
    if (unread.length < READ_TOGETHER) continue
    await readBytes(context, unread, candidates)
    unread = []
  }
  await readBytes(context, unread, candidates)
}

async function* allKeys(context: ReconcileContext, sorted: SortedRows): AsyncGenerator<Known> {
  const { scope, reads, binding, options } = context
  const rows = await Cursor.over(sorted.inOrder())
  try {
    for (const backend of scope.backends) {
      const driver = await binding.storage.openForMaintenance(backend, 'read')
      for (const prefix of scope.prefixes) {
        const lines = reads.below(backend, prefix)
        const objects = driver.list(prefix, { signal: options.signal })
        yield* merge({ backend, prefix, lines, objects, rows })
      }
    }
  } finally {
    await rows.close()
  }
}

async function readBytes(
  { binding, options, report }: ReconcileContext,
  some: readonly Known[],
  candidates: Candidates,
): Promise<void> {
  await inLanes(some, LANES, async known => {
    const driver = await binding.storage.openForMaintenance(known.backend, 'read')
    const sha256 = await sha256Of(driver, known.objectKey, options.signal)
    if (sha256 === undefined) return
    report.read++
    if (sha256 !== expectedSha(known)) await candidates.add(known, sha256)
  })
}

/** What the bytes must hash to; undefined where there are none, or nobody knows. */
function expectedSha({ object, rows }: Known): string | undefined {
  if (object === undefined) return undefined
  return rows.find(({ sha256 }) => sha256 !== null)?.sha256 ?? undefined
}
