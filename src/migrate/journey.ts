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

/** Reads a line of the journal. */
export function journeyOf({ storage, column }: OneColumn, { rowId, oldText, newText }: Entry): Journey {
  const text = newText ?? oldText
  const moved = filesIn(column, text)
  const legs = filesIn(column, oldText).flatMap((old, index): Leg[] => {
    const now = moved[index]
    if (now === undefined || nameOf(entryOf(storage, old)) === nameOf(entryOf(storage, now))) return []
    return [{ old, new: now }]
  })
  return { rowId, id: idOf(rowId), oldText, newText: text, files: moved, legs }
}
