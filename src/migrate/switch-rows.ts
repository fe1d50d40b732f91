import type { QueryRunner } from 'typeorm'
import type { StageEntry } from '../core/ledger.js'
import type { Storage } from '../core/storage.js'
import { execute } from '../typeorm/execute.js'
import type { FileColumnMetadata } from '../typeorm/file-metadata.js'
import type { FileTable } from '../typeorm/file-table.js'
import { entryOf } from './cell.js'
import { type CopiedCell, type Passenger, stays } from './copied-cell.js'
import type { FreeLines } from './free-lines.js'
import type { Journal } from './journal.js'
import { linesLeft } from './lines-left.js'
import { BUSY, lockRows } from './lock-rows.js'
import { type LockedLine, nameOf, type TargetEntry, type TargetLines } from './target-lines.js'

/** What rows are switched with. */
export interface SwitchContext {
  readonly storage: Storage
  readonly table: FileTable
  readonly column: FileColumnMetadata
  readonly journal: Journal
  readonly lines: TargetLines
  /** For files that stay where they are. */
  readonly free?: FreeLines
  readonly worker: string
  /** Whether rows can be locked. */
  readonly rowLocks: boolean
}

/** How the cells of a batch ended. */
export interface SwitchResult {
  readonly moved: readonly CopiedCell[]
  /** Their rows have another file by now, or are gone. */
  readonly skipped: readonly CopiedCell[]
  /** Somebody else holds their rows' locks. */
  readonly busy: readonly CopiedCell[]
  /** The keys of their copies belong to other rows by now, or were given up: they must be copied anew. */
  readonly stale: readonly CopiedCell[]
}

/**
 * Points rows to the new places of their files, in the transaction of `runner`: each row only if it holds what was
 * copied, together with the lines of the ledger and of the journal. Rows that somebody works on are left for later; a
 * migration waits for nobody. Cells that another runner has taken over are in no list: that one reports them.
 */
export async function switchRows(
  runner: QueryRunner,
  copied: readonly CopiedCell[],
  context: SwitchContext,
): Promise<SwitchResult> {
  const { journal, lines, free, worker } = context
  const mine = await journal.mine(
    runner,
    worker,
    copied.map(({ cell }) => cell.rowId),
  )
  const owned = copied.filter(({ cell }) => mine.has(cell.rowId))
  const rows = await lockRows(
    runner,
    owned.map(({ cell }) => cell.id),
    context,
  )
  const here = (copy: CopiedCell) => rows.get(copy.cell.rowId)
  await lines.note(runner, owned.filter(copy => here(copy) === copy.cell.text).flatMap(staying))
  const known = await lines.lock(
    runner,
    owned.flatMap(({ targets }) => targets),
  )
  const ready = (copy: CopiedCell) =>
    staying(copy).every(target => free?.has(target, known.get(nameOf(target)))) &&
    leaving(copy).every(target => isOurs(known.get(nameOf(target))))
  const result = {
    moved: owned.filter(copy => here(copy) === copy.cell.text && ready(copy)),
    skipped: owned.filter(copy => here(copy) !== copy.cell.text && here(copy) !== BUSY),
    busy: owned.filter(copy => here(copy) === BUSY),
    stale: owned.filter(copy => here(copy) === copy.cell.text && !ready(copy)),
  }
  await write(runner, result.moved, context)
  const textOf = (copy: CopiedCell) => {
    const text = here(copy)
    return typeof text === 'string' ? text : null
  }
  const left = result.skipped.map(copy => linesLeft(copy, textOf(copy), context))
  // A cell that is tried again has its lines again then, and nobody looks into its row before.
  const again = result.stale.map(copy => linesLeft(copy, null, context))
  await lines.giveUp(
    runner,
    left.flatMap(({ copies }) => copies),
  )
  await lines.forget(
    runner,
    [...left, ...again].flatMap(({ strangers }) => strangers),
  )
  await journal.end(
    runner,
    'skipped',
    result.skipped.map(({ cell }) => ({ rowId: cell.rowId })),
  )
  await journal.letGo(
    runner,
    worker,
    result.stale.map(({ cell }) => cell.rowId),
  )
  return result
}

/** Whether the object of a copy may become a row's: nobody else's row has it, and nothing deletes it. */
function isOurs(line: LockedLine | undefined): boolean {
  return line?.state === 'pending' || line?.state === 'kept'
}

async function write(
  runner: QueryRunner,
  moved: readonly CopiedCell[],
  { table, lines, journal, storage }: SwitchContext,
): Promise<void> {
  if (moved.length === 0) return
  await execute(
    runner,
    table.write(
      0,
      moved.map(({ cell, newText }) => ({ id: cell.id, text: newText })),
    ),
  )
  for (const from of ['pending', 'kept'] as const) await lines.attach(runner, moved.flatMap(leaving), from)
  for (const from of ['attached', 'kept'] as const) await lines.attach(runner, moved.flatMap(staying), from)
  await lines.keep(
    runner,
    moved.flatMap(copy => sourcesOf(storage, copy)),
  )
  await journal.end(
    runner,
    'moved',
    moved.map(({ cell, newText }) => ({ rowId: cell.rowId, newText })),
  )
}

/** The objects that a move leaves. One that was copied on its own backend is another row's as well. */
function sourcesOf(storage: Storage, { passengers }: CopiedCell): StageEntry[] {
  const gone = passengers.filter(({ file, target }) => file.backend !== target.backend)
  return gone.map(({ file }) => entryOf(storage, file))
}

function staying({ passengers, targets }: CopiedCell): TargetEntry[] {
  return targets.filter((_, index) => isStaying(passengers[index]))
}

function leaving({ passengers, targets }: CopiedCell): TargetEntry[] {
  return targets.filter((_, index) => !isStaying(passengers[index]))
}

function isStaying(passenger: Passenger | undefined): boolean {
  return passenger !== undefined && stays(passenger)
}
