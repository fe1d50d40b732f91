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
import { nameOf, type TargetEntry, type TargetLines } from './target-lines.js'

/** One file of a cell, and where it goes. */
export interface Passenger {
  /** Its place in the cell. */
  readonly index: number
  readonly file: StoredFile
  readonly target: FileAddress
}

/** Whether a file stays where it is: only its row's text becomes another. */
export function stays({ file, target }: Passenger): boolean {
  return file.backend === target.backend && file.key === target.key
}

/** A cell whose new objects have their lines in the ledger. */
export interface BookedCell {
  readonly cell: Cell
  readonly passengers: readonly Passenger[]
}

/** A cell whose files are copied. */
export interface CopiedCell extends BookedCell {
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
  const taken = await stage(runner, booked, context)
  if (taken.size === 0) return { booked, failed }
  const again = booked.map(({ cell, passengers }) => ({
    cell,
    passengers: passengers.map(passenger =>
      taken.has(nameOfTarget(context, passenger)) ? elsewhere(passenger) : passenger,
    ),
  }))
  await stage(runner, again, context)
  return { booked: again, failed }
}

/** What a cell becomes once its files lie at their new places. */
export function copiedCell(
  booked: BookedCell,
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
    const passenger = { index, file, target: { disk, tenant, key, backend: selection.to ?? backend } }
    const name = nameOf(entryOf(storage, passenger.target))
    if (!named.has(name)) {
      named.add(name)
      return [passenger]
    }
    return [elsewhere(passenger)]
  })
}

/** @returns the names of lines that belong to others */
async function stage(
  runner: QueryRunner,
  booked: readonly BookedCell[],
  { storage, lines, free, lease }: BookingContext,
): Promise<Set<string>> {
  const passengers = booked.flatMap(each => each.passengers)
  const entriesOf = (some: readonly Passenger[]) =>
    some.map(({ file, target }) => ({ ...entryOf(storage, target), size: file.size || null }))
  const leaving = entriesOf(passengers.filter(passenger => !stays(passenger)))
  const taken = new Set((await lines.stage(runner, leaving, lease)).keys())
  const known = await lines.lock(runner, entriesOf(passengers.filter(stays)))
  for (const [name, line] of known) if (!free?.has(line, line)) taken.add(name)
  return taken
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
