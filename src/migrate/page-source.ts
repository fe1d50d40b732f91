import type { EntityTarget, ObjectLiteral, QueryRunner } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { execute } from '../typeorm/execute.js'
import type { FileColumnMetadata } from '../typeorm/file-metadata.js'
import type { FileTable } from '../typeorm/file-table.js'
import { type Cell, filesIn, isToMove, type Selection } from './cell.js'
import type { SharedCursor } from './cursor.js'
import { type Journal, rowIdOf } from './journal.js'
import type { MigrateOptions } from './options.js'

/** How many rows are looked at in one go. */
const PAGE = 200

/** Cells that this runner has taken, and how many rows were looked at for them. */
export interface TakenPage {
  readonly cells: readonly Cell[]
  readonly rows: number
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
  const cells = rows.flatMap(({ id, texts: [text] }): Cell[] => {
    if (text === null || text === undefined || !holdsMovable(context, text)) return []
    return [{ id, rowId: rowIdOf(id), text, attempts: 0 }]
  })
  const wanted = await narrowed(runner, context, cells)
  const busy =
    wanted.length === 0
      ? new Set()
      : await journal.busy(
          runner,
          wanted.map(({ rowId }) => rowId),
        )
  const taken = wanted.filter(({ rowId }) => !busy.has(rowId))
  await journal.take(
    runner,
    worker,
    taken.map(({ rowId, text }) => ({ rowId, oldText: text, newText: null, attempts: 0 })),
    lease,
  )
  return { cells: taken, rows: rows.length }
}

function holdsMovable({ column, selection }: PageContext, text: string): boolean {
  return filesIn(column, text).some(file => isToMove(file, selection))
}

/** Those that a condition on the rows lets through. */
async function narrowed(runner: QueryRunner, context: PageContext, cells: Cell[]): Promise<Cell[]> {
  const { where, entity } = context.options
  if (where === undefined || cells.length === 0) return cells
  const rows = await entitiesOf(runner, entity as EntityTarget<ObjectLiteral>, cells, where)
  return cells.filter(({ rowId }) => rows.has(rowId))
}

/** The entities of these cells by their row, as far as a condition lets them through. */
export async function entitiesOf<E extends ObjectLiteral>(
  runner: QueryRunner,
  entity: EntityTarget<E>,
  cells: readonly Cell[],
  where?: MigrateOptions<E>['where'],
): Promise<Map<string, E>> {
  const metadata = runner.connection.getMetadata(entity)
  const names = metadata.primaryColumns.map(({ propertyName }) => propertyName)
  const ids = cells.map(({ id }) => Object.fromEntries(names.map((name, index) => [name, id[index]])))
  const query = runner.manager.createQueryBuilder(entity, 'row').withDeleted().whereInIds(ids)
  if (where !== undefined) query.andWhere(where)
  const found = new Map<string, E>()
  for (const row of await query.getMany()) {
    const id = metadata.primaryColumns.map(column => String(column.getEntityValue(row)))
    found.set(rowIdOf(id), row)
  }
  return found
}

/** @throws ERR_TENANT_MISMATCH */
export function assertTenantOfRow(expected: string | null, tenant: string | null): void {
  if (expected === tenant) return
  throw new StorageError(
    'ERR_TENANT_MISMATCH',
    `The row belongs to ${JSON.stringify(expected)}, and its file to ${JSON.stringify(tenant)}.`,
  )
}
