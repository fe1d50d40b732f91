import type { EntityTarget, ObjectLiteral, QueryRunner } from 'typeorm'
import { execute } from '../typeorm/execute.js'
import type { FileColumnMetadata } from '../typeorm/file-metadata.js'
import type { FileTable } from '../typeorm/file-table.js'
import { type Cell, filesIn, isToMove, type Selection } from './cell.js'
import type { SharedCursor } from './cursor.js'
import { idOf, type Journal, rowIdOf } from './journal.js'
import type { MigrateOptions } from './options.js'
import { entitiesOf } from './row-query.js'

/** How many rows are looked at in one go. */
const PAGE = 200

/** Cells that this runner has taken, and how many rows were looked at for them. */
export interface TakenPage {
  readonly cells: readonly Cell[]
  readonly rows: number
}

/** Of rows whose runner died, and the last that was looked at. */
export interface AbandonedPage extends TakenPage {
  readonly after: string
}

/** What a page is taken with. */
export interface PageContext {
  readonly table: FileTable
  readonly column: FileColumnMetadata
  readonly journal: Journal
  readonly cursor: SharedCursor
  readonly selection: Selection
  readonly options: Pick<MigrateOptions<ObjectLiteral>, 'entity' | 'where'>
  readonly worker: string
  /** In milliseconds. */
  readonly lease: number
}

/**
 * Takes the next rows of the walk that all runners share, in the transaction of `runner`.
 *
 * @returns undefined at the end of the walk
 */
export async function takePage(runner: QueryRunner, context: PageContext): Promise<TakenPage | undefined> {
  const { table, journal, cursor, worker, lease } = context
  const { lastId, isDone } = await cursor.lock(runner)
  if (isDone) return undefined
  const rows = table.readAll((await execute(runner, table.page(lastId, PAGE))).rows)
  await cursor.advance(runner, { lastId: rows.at(-1)?.id ?? lastId, isDone: rows.length < PAGE })
  const cells = rows.map(({ id, texts: [text] }) => ({
    id,
    rowId: rowIdOf(id),
    text: text ?? '',
    attempts: 0,
  }))
  const taken = await free(runner, context, await selected(runner, context, cells))
  await journal.take(runner, worker, taken.map(entryOf), lease)
  return { cells: taken, rows: rows.length }
}

/** Those that nobody else is working on, or has moved since they were read: their lines in the journal are not ours. */
async function free(
  runner: QueryRunner,
  { journal, table }: PageContext,
  cells: readonly Cell[],
): Promise<readonly Cell[]> {
  const { moving, moved } = await journal.standing(
    runner,
    cells.map(({ rowId }) => rowId),
  )
  const others = cells.filter(({ rowId }) => !moving.has(rowId))
  const doubtful = others.filter(({ rowId }) => moved.has(rowId)).map(({ id }) => id)
  if (doubtful.length === 0) return others
  const rows = table.readAll((await execute(runner, table.some(doubtful))).rows)
  const texts = new Map(rows.map(({ id, texts: [text] }) => [rowIdOf(id), text]))
  return others.filter(({ rowId, text }) => !moved.has(rowId) || texts.get(rowId) === text)
}

/** Takes rows whose runner has died, as far as they are among those that this one moves. */
export async function takeAbandoned(
  runner: QueryRunner,
  context: PageContext,
  after: string,
): Promise<AbandonedPage | undefined> {
  const { journal, worker, lease } = context
  const entries = await journal.abandoned(runner, after, PAGE)
  const last = entries.at(-1)
  if (last === undefined) return undefined
  const cells = entries.map(({ rowId, oldText, attempts }) => ({
    id: idOf(rowId),
    rowId,
    text: oldText,
    attempts: attempts + 1,
  }))
  const taken = await selected(runner, context, cells)
  await journal.take(runner, worker, taken.map(entryOf), lease)
  return { cells: taken, rows: 0, after: last.rowId }
}

function entryOf({ rowId, text, attempts }: Cell) {
  return { rowId, oldText: text, newText: null, attempts }
}

/** Those with files to move, that are of the entity and that its condition lets through. */
export async function selected(
  runner: QueryRunner,
  { column, selection, options }: Pick<PageContext, 'column' | 'selection' | 'options'>,
  cells: readonly Cell[],
): Promise<readonly Cell[]> {
  const movable = cells.filter(({ text }) => filesIn(column, text).some(file => isToMove(file, selection)))
  const entity = options.entity as EntityTarget<ObjectLiteral>
  // A child's rows lie among those of its brothers.
  const isChild = runner.connection.getMetadata(entity).tableType === 'entity-child'
  if (options.where === undefined && !isChild) return movable
  const rows = await entitiesOf(runner, entity, movable, options.where)
  return movable.filter(({ rowId }) => rows.has(rowId))
}
