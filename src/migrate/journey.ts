import { StorageError } from '../core/errors.js'
import type { StoredFile } from '../core/stored-file.js'
import { entryOf, filesIn } from './cell.js'
import { type Entry, idOf } from './journal.js'
import type { OneColumn } from './one-column.js'
import { nameOf } from './target-lines.js'

/** One file that was moved, at its two places. */
export interface Leg {
  readonly old: StoredFile
  readonly new: StoredFile
}

/** What a line of the journal tells of a cell that was moved. */
export interface Journey {
  readonly rowId: string
  readonly id: readonly string[]
  readonly oldText: string
  readonly newText: string
  /** What the cell held after it. */
  readonly files: readonly StoredFile[]
  /** Those of its files that were moved. */
  readonly legs: readonly Leg[]
}

/** A line of the journal that cannot be read any more, and why. */
export interface LostJourney {
  readonly journey: Pick<Journey, 'rowId'>
  readonly error: unknown
}

/** Reads lines of the journal. */
export function journeysOf(of: OneColumn, entries: readonly Entry[]) {
  const journeys: Journey[] = []
  const lost: LostJourney[] = []
  for (const entry of entries) {
    try {
      journeys.push(journeyOf(of, entry))
    } catch (error) {
      lost.push({ journey: entry, error })
    }
  }
  return { journeys, lost }
}

/** @throws ERR_BACKEND_UNKNOWN */
function journeyOf({ storage, column }: OneColumn, { rowId, oldText, newText }: Entry): Journey {
  const text = newText ?? oldText
  const moved = filesIn(column, text)
  const readable = (file: StoredFile) => storage.diskNames.includes(file.disk)
  if (![...moved, ...filesIn(column, oldText)].every(readable)) throw unreadable()
  const legs = filesIn(column, oldText).flatMap((old, index): Leg[] => {
    const now = moved[index]
    if (now === undefined || nameOf(entryOf(storage, old)) === nameOf(entryOf(storage, now))) return []
    return [{ old, new: now }]
  })
  return { rowId, id: idOf(rowId), oldText, newText: text, files: moved, legs }
}

function unreadable(): StorageError {
  return new StorageError(
    'ERR_BACKEND_UNKNOWN',
    'The text that this row held before names no file of this storage any more. Give its column the option "legacy" back, or the storage its disk, until everything is pruned.',
  )
}
