import type { QueryRunner } from 'typeorm'
import { execute } from '../typeorm/execute.js'
import type { Fate } from '../typeorm/work.js'
import { entryOf, isOld } from './cell.js'
import type { Journey } from './journey.js'
import { BUSY, lockRows } from './lock-rows.js'
import { ADOPTION, type OneColumn } from './one-column.js'
import { nameOf, type TargetEntry } from './target-lines.js'

/** In seconds. */
const DAY = 86_400

/** A cell whose old bytes are there, with their lines. */
export interface Restorable {
  readonly journey: Journey
  /** In the order of its legs. */
  readonly sources: readonly TargetEntry[]
}

/** The switch backwards, in the transaction of `runner`. */
export async function restoreRows(runner: QueryRunner, found: readonly Restorable[], of: OneColumn) {
  const { journal, lines, table, storage } = of
  const moved = await journal.lock(
    runner,
    'moved',
    found.map(({ journey }) => journey.rowId),
  )
  // What is not in this state any more, another runner has restored or pruned.
  const mine = new Set(moved.map(({ rowId }) => rowId))
  const owned = found.filter(({ journey }) => mine.has(journey.rowId))
  const texts = await lockRows(
    runner,
    owned.map(({ journey }) => journey.id),
    of,
  )
  const states = await lines.states(
    runner,
    owned.flatMap(({ sources }) => sources),
  )
  const textOf = ({ journey }: Restorable) => texts.get(journey.rowId)
  const isHere = (each: Restorable) => textOf(each) === each.journey.newText
  // Attached where two old texts named one file, and the other row is restored already. The file of any other text has one row.
  const isKept = ({ sources, journey }: Restorable) =>
    sources.every((line, leg) => {
      const state = states.get(nameOf(line))
      const old = journey.legs[leg]?.old
      return state === 'kept' || (state === 'attached' && old !== undefined && isOld(old))
    })
  const restored = owned.filter(each => isHere(each) && isKept(each))
  if (restored.length > 0) {
    const cells = restored.map(({ journey: { id, oldText } }) => ({ id, text: oldText }))
    await execute(runner, table.write(0, cells))
    await lines.attach(
      runner,
      restored.flatMap(({ sources }) => sources),
      'kept',
    )
    const copies = restored.flatMap(({ journey }) => journey.legs.map(leg => entryOf(storage, leg.new)))
    await lines.keep(runner, copies, fateOfCopies(of))
    await journal.end(
      runner,
      'restored',
      restored.map(({ journey: { rowId } }) => ({ rowId })),
    )
  }
  return {
    restored,
    skipped: owned.filter(each => !isHere(each) && textOf(each) !== BUSY),
    lost: owned.filter(each => isHere(each) && !isKept(each)),
    busy: owned.filter(each => textOf(each) === BUSY),
  }
}

/** Those of a move are pruned, or taken up by the next one. Of an adoption nobody needs them again. */
function fateOfCopies({ scope, storage }: OneColumn): Fate {
  return scope.target === ADOPTION ? { days: Math.ceil(storage.longestUrl / DAY) } : 'keep'
}
