import type { QueryRunner } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { inLanes } from '../core/in-lanes.js'
import type { StoredFile } from '../core/stored-file.js'
import { execute } from '../typeorm/execute.js'
import type { LineKey } from '../typeorm/ledger-sql.js'
import { entryOf, filesIn } from './cell.js'
import type { Journey } from './journey.js'
import { lockRows } from './lock-rows.js'
import { lookAt } from './look-at.js'
import type { NamedFiles } from './named-files.js'
import type { OneColumn } from './one-column.js'
import { nameOf } from './target-lines.js'

/** Objects that are looked at at the same time. */
const LANES = 32

/** A cell with files that were left behind: at their old places after a move, at their new ones after a rollback. */
export interface Leftover {
  readonly journey: Journey
  readonly left: readonly StoredFile[]
  /** Where their bytes are as well. */
  readonly instead: readonly StoredFile[]
}

/** A cell whose left files nobody needs, and what its row held when that was found out. */
export interface Prunable extends Leftover {
  readonly text: string | null
  readonly lines: readonly LineKey[]
}

/** What {@link judge} found. */
export interface Judged {
  readonly prunable: readonly Prunable[]
  /** Rows still name them. */
  readonly named: readonly Leftover[]
  readonly failed: readonly { journey: Journey; error: unknown }[]
}

/** Which of these files may be given up: no row names them, and the bytes are where the row says now. */
export async function judge(
  runner: QueryRunner,
  leftovers: readonly Leftover[],
  of: OneColumn,
  names: NamedFiles,
  signal?: AbortSignal,
): Promise<Judged> {
  const { table, storage } = of
  const ids = leftovers.map(({ journey }) => journey.id)
  const rows = ids.length === 0 ? [] : table.readAll((await execute(runner, table.some(ids))).rows)
  const texts = new Map(rows.map(({ id, texts: [text] }) => [JSON.stringify(id), text ?? null]))
  const prunable: Prunable[] = []
  const named: Leftover[] = []
  const failed: { journey: Journey; error: unknown }[] = []
  await inLanes(leftovers, LANES, async leftover => {
    const { journey } = leftover
    const text = texts.get(journey.rowId) ?? null
    const lines = leftover.left.map(file => entryOf(storage, file))
    const held = heldBy(of, text)
    if (lines.some(line => names.has(line) || held.has(nameOf(line)))) {
      named.push(leftover)
      return
    }
    try {
      for (const file of leftover.instead)
        if (held.has(nameOf(entryOf(storage, file)))) await lookAt(storage, file, signal)
      prunable.push({ ...leftover, text, lines })
    } catch (error) {
      if (!StorageError.is(error)) throw error
      if (signal?.aborted !== true) failed.push({ journey, error })
    }
  })
  return { prunable, named, failed }
}

/** Gives files up whose rows have not changed since they were judged, in the transaction of `runner`. */
export async function pruneRows(
  runner: QueryRunner,
  state: 'moved' | 'restored',
  prunable: readonly Prunable[],
  of: OneColumn,
): Promise<readonly Prunable[]> {
  const { journal, lines } = of
  const locked = await journal.lock(
    runner,
    state,
    prunable.map(({ journey }) => journey.rowId),
  )
  const mine = new Set(locked.map(({ rowId }) => rowId))
  const owned = prunable.filter(({ journey }) => mine.has(journey.rowId))
  const texts = await lockRows(
    runner,
    owned.map(({ journey }) => journey.id),
    of,
  )
  const states = await lines.states(
    runner,
    owned.flatMap(each => each.lines),
  )
  // A line of another row, or of an upload, is not ours to end.
  const isFree = (line: LineKey) => !['attached', 'pending'].includes(states.get(nameOf(line)) ?? '')
  const pruned = owned.filter(
    ({ journey, text, lines: left }) => texts.get(journey.rowId) === text && left.every(isFree),
  )
  await lines.discard(
    runner,
    pruned.flatMap(each => each.lines),
  )
  await journal.end(
    runner,
    'pruned',
    pruned.map(({ journey: { rowId } }) => ({ rowId })),
  )
  return pruned
}

function heldBy({ storage, column }: OneColumn, text: string | null): Set<string> {
  const names = filesIn(column, text ?? '').flatMap(file => {
    const isKnown = storage.backendNames.includes(file.backend) && storage.diskNames.includes(file.disk)
    return isKnown ? [nameOf(entryOf(storage, file))] : []
  })
  return new Set(names)
}
