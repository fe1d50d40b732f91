import { randomUUID } from 'node:crypto'
import type { QueryRunner } from 'typeorm'
import { newFileKey } from '../core/key.js'
import type { Storage } from '../core/storage.js'
import type { FileAddress, StoredFile, StoredFileData } from '../core/stored-file.js'
import type { FileColumnMetadata } from '../typeorm/file-metadata.js'
import {
  assertAdoptable,
  assertLocatable,
  type Cell,
  changedText,
  entryOf,
  filesIn,
  isToMove,
  type Selection,
} from './cell.js'
import type { FreeLines } from './free-lines.js'
import { nameOf, type StagedLines, type TargetEntry, type TargetLines } from './target-lines.js'
import type { LineAge, Trace } from './trace.js'

/** One file of a cell, and where it goes. */
export interface Passenger {
  /** Its place in the cell. */
  readonly index: number
  readonly file: StoredFile
  readonly target: FileAddress
  /** Of its new place. */
  readonly line: LineAge
}

/** Whether a file stays where it is: only its row's text becomes another. */
export function stays({ file, target }: Pick<Passenger, 'file' | 'target'>): boolean {
  return file.backend === target.backend && file.key === target.key
}

/** A cell whose new objects have their lines in the ledger. */
export interface BookedCell {
  readonly cell: Cell
  readonly passengers: readonly Passenger[]
}

/** A cell whose files were under way, with what is known of their new places. */
export interface TracedCell extends BookedCell {
  /** In the order of its passengers. */
  readonly traces: readonly Trace[]
}

/** A cell whose files are copied. */
export interface CopiedCell extends TracedCell {
  readonly newText: string
  readonly targets: readonly TargetEntry[]
}

/** A cell that cannot be moved, and why. */
export interface FailedCell {
  readonly cell: Cell
  readonly error: unknown
}

/** What books cells. */
export interface BookingContext {
  readonly storage: Storage
  readonly column: FileColumnMetadata
  readonly selection: Selection
  readonly lines: TargetLines
  /** For files that stay where they are. */
  readonly free?: FreeLines
  /** In milliseconds. */
  readonly lease: number
}

/**
 * Writes the lines of all new objects down. A key whose line belongs to another row already, as where two old rows share
 * one file, is replaced by a new one: two rows never share an object. An object that stays where it is gets no line
 * before its row is written: whoever forgot it then would delete what was there before us.
 */
export async function book(
  runner: QueryRunner,
  cells: readonly Cell[],
  context: BookingContext,
): Promise<{ booked: BookedCell[]; failed: FailedCell[] }> {
  const booked: BookedCell[] = []
  const failed: FailedCell[] = []
  const named = new Set<string>()
  for (const cell of cells) {
    try {
      booked.push({ cell, passengers: passengersOf(cell, context, named) })
    } catch (error) {
      failed.push({ cell, error })
    }
  }
  const { taken, older } = await stage(runner, booked, context)
  if (taken.size === 0 && older.size === 0) return { booked, failed }
  const placed = (passenger: Passenger): Passenger => {
    const name = nameOfTarget(context, passenger)
    if (taken.has(name)) return elsewhere(passenger)
    return older.has(name) ? { ...passenger, line: 'older' } : passenger
  }
  const known = booked.map(({ cell, passengers }) => ({ cell, passengers: passengers.map(placed) }))
  if (taken.size > 0) await stage(runner, known, context)
  return { booked: known, failed }
}

/** What a cell becomes once its files lie at their new places. */
export function copiedCell(
  booked: TracedCell,
  moved: readonly StoredFileData[],
  { storage, column }: Pick<BookingContext, 'storage' | 'column'>,
): CopiedCell {
  const changes = new Map(booked.passengers.map(({ index }, at) => [index, moved[at] as StoredFileData]))
  const targets = moved.map(file => ({ ...entryOf(storage, file), size: file.size }))
  return { ...booked, targets, newText: changedText(column, booked.cell.text, changes) }
}

function passengersOf(
  cell: Cell,
  { storage, column, selection }: BookingContext,
  named: Set<string>,
): Passenger[] {
  if (selection.to === undefined) assertAdoptable(column, cell.text)
  return filesIn(column, cell.text).flatMap((file, index) => {
    assertLocatable(storage, file)
    if (!isToMove(file, selection)) return []
    const { disk, tenant, key, backend } = file
    const target = { disk, tenant, key, backend: selection.to ?? backend }
    const passenger: Passenger = { index, file, target, line: 'new' }
    const name = nameOf(entryOf(storage, passenger.target))
    if (!named.has(name)) {
      named.add(name)
      return [passenger]
    }
    return [elsewhere(passenger)]
  })
}

async function stage(
  runner: QueryRunner,
  booked: readonly BookedCell[],
  { storage, lines, free, lease }: BookingContext,
): Promise<StagedLines> {
  const passengers = booked.flatMap(each => each.passengers)
  const entriesOf = (some: readonly Passenger[]) =>
    some.map(({ file, target }) => ({ ...entryOf(storage, target), size: file.size || null }))
  const leaving = entriesOf(passengers.filter(passenger => !stays(passenger)))
  const { taken: others, older } = await lines.stage(runner, leaving, lease)
  const taken = new Set(others)
  const known = await lines.lock(runner, entriesOf(passengers.filter(stays)))
  for (const [name, line] of known) if (!free?.has(line, line)) taken.add(name)
  return { taken, older }
}

function nameOfTarget({ storage }: BookingContext, { target }: Passenger): string {
  return nameOf(entryOf(storage, target))
}

function elsewhere(passenger: Passenger): Passenger {
  const { key } = passenger.target
  const slash = key.lastIndexOf('/')
  const dot = key.lastIndexOf('.')
  const folder = slash < 0 ? 'moved' : key.slice(0, slash)
  const extension = dot > slash ? key.slice(dot + 1).toLowerCase() : 'bin'
  return { ...passenger, target: { ...passenger.target, key: newFileKey(folder, randomUUID(), extension) } }
}
