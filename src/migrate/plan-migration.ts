import type { ObjectLiteral, QueryRunner } from 'typeorm'
import { throwIfAborted } from '../core/abort.js'
import { StorageError, type StorageErrorCode } from '../core/errors.js'
import { assertKnownOptions } from '../core/known-options.js'
import { runAsSystem } from '../core/tenant.js'
import { execute } from '../typeorm/execute.js'
import { addressOf, SortedRows } from '../typeorm/reconcile/sorted-rows.js'
import { assertTable } from './assert-table.js'
import { type Cell, filesIn, isToMove } from './cell.js'
import { rowIdOf } from './journal.js'
import { assertBackend, columnsOf, type OneColumn } from './one-column.js'
import type { MigrateOptions } from './options.js'
import { selected } from './page-source.js'
import { comparePlaces } from './plan-places.js'
import type { MigrationFailure } from './progress.js'
import { Tally } from './progress.js'
import { wrongTenants } from './wrong-tenants.js'

const PAGE = 200

/** Which files would move: the same options as those of `migrateFiles`. */
export type PlanOptions<E extends ObjectLiteral> = Pick<
  MigrateOptions<E>,
  'dataSource' | 'entity' | 'property' | 'from' | 'to' | 'tenant' | 'where' | 'tenantOf' | 'signal'
>

/** What `migrateFiles` would do. */
export interface MigrationPlan {
  readonly entity: string
  readonly to: string
  /** Rows with files to move, as far as their text can be read. */
  readonly rows: number
  /** Files that would be copied. */
  readonly files: number
  /** What these files have together, as far as the listing of their backends tells. */
  readonly bytes: number
  /** Files that lie at their new place already, with the right size. */
  readonly copied: number
  /** What would fail: rows, and in lists each file. */
  readonly failed: number
  /** The first thousand of them, as `migrateFiles` would report them. */
  readonly failures: readonly MigrationFailure[]
}

/**
 * Says what `migrateFiles` would do, and writes nothing. Missing files, other sizes and collisions are found by the listings of the
 * backends, not by a call for each file; rows are sorted in a temporary folder, so memory does not grow with their number.
 *
 * Runs under `runAsSystem` (event `system`).
 *
 * @throws ERR_CONFIG, also for a table without a primary key or a column that is too short, ERR_BACKEND_UNKNOWN,
 *   ERR_LEDGER_NOT_READY, ERR_UPLOAD_ABORTED for the signal, and what database and backends throw
 * @example
 * const plan = await planMigration({ dataSource, entity: OrderFile, to: 'spaces' })
 * console.log(plan.files, plan.bytes, plan.failures)
 */
export async function planMigration<E extends ObjectLiteral>(
  options: PlanOptions<E>,
): Promise<MigrationPlan> {
  assertKnownOptions('planMigration', options, {
    ...{ dataSource: 'known', entity: 'known', property: 'known', from: 'known', to: 'known' },
    ...{ tenant: 'known', where: 'known', tenantOf: 'known', signal: 'known' },
  })
  const { dataSource, entity, from, to } = options
  if (from === to) throw new StorageError('ERR_CONFIG', `planMigration: from and to are both "${to}".`)
  const columns = columnsOf(options, to)
  for (const { binding } of columns) assertBackend(binding, from ?? to)
  for (const column of columns) await assertTable(column)
  const plan = { rows: 0, files: 0, bytes: 0, copied: 0 }
  const tally = new Tally()
  await runAsSystem(`plan a move of files to ${to}`, async () => {
    for (const column of columns) await planColumn(column, options, plan, tally)
  })
  const { name } = dataSource.getMetadata(entity)
  return { entity: name, to, ...plan, failed: tally.failed, failures: tally.failures }
}

/** What is counted. */
interface Counts {
  rows: number
  files: number
  bytes: number
  copied: number
}

async function planColumn<E extends ObjectLiteral>(
  of: OneColumn,
  options: PlanOptions<E>,
  plan: Counts,
  tally: Tally,
): Promise<void> {
  const { storage, table, entity, property } = of
  const fail = (id: readonly string[], code: StorageErrorCode, message: string) =>
    tally.fail({ entity, property, row: rowIdOf(id) }, new StorageError(code, message))
  const sorted = new SortedRows(storage, [table])
  try {
    for await (const { cell, error } of movableCells(of, options)) {
      const files = filesIn(of.column, cell.text).filter(file => isToMove(file, options))
      if (error !== undefined) tally.fail({ entity, property, row: cell.rowId }, error)
      else if (files.some(file => addressOf(storage, file) === undefined))
        fail(cell.id, 'ERR_BACKEND_UNKNOWN', 'The column holds text that names no file of this storage.')
      else {
        plan.rows++
        const row = { id: cell.id, texts: [cell.text], owner: undefined }
        for (const file of files) await sorted.add(table, 0, row, file)
      }
    }
    for await (const { row, source, target } of comparePlaces(storage, sorted, options.to, options.signal)) {
      const isOther = (object: { size: number }) => row.size !== null && object.size !== row.size
      // Then it does not matter what lies at the old place.
      if (target !== undefined && row.sha256 !== null && !isOther(target)) {
        plan.files++
        plan.bytes += target.size
        plan.copied++
      } else if (source === undefined)
        fail(row.id, 'ERR_FILE_NOT_FOUND', `No object lies at ${row.objectKey}.`)
      else if (isOther(source))
        fail(row.id, 'ERR_FILE_CHANGED', `${source.size} bytes lie there instead of ${row.size}.`)
      else if (target !== undefined && target.size !== source.size)
        fail(row.id, 'ERR_FILE_EXISTS', 'Other bytes lie at the new place of this file.')
      else {
        plan.files++
        plan.bytes += source.size
        if (target !== undefined) plan.copied++
      }
    }
  } finally {
    await sorted.close()
  }
}

/** The cells that would be taken, each with why it cannot be, where that shows in the row. */
export async function* movableCells<E extends ObjectLiteral>(
  of: OneColumn,
  options: Omit<PlanOptions<E>, 'to'> & { readonly to?: string },
): AsyncGenerator<{ cell: Cell; error: unknown }> {
  const { binding, table, column } = of
  const context = { column, selection: options, options: options as MigrateOptions<ObjectLiteral> }
  let after: readonly string[] | undefined
  for (;;) {
    throwIfAborted(options.signal)
    const page = await reading(binding.dataSource, async runner => {
      const rows = table.readAll((await execute(runner, table.page(after, PAGE))).rows)
      const cells = rows.map(({ id, texts: [text] }) => ({
        ...{ id, rowId: rowIdOf(id), text: text ?? '', attempts: 0 },
      }))
      const taken = await selected(runner, context, cells)
      return { rows, taken, wrong: await wrongTenants(runner, of, options, taken) }
    })
    for (const cell of page.taken) yield { cell, error: page.wrong.get(cell.rowId)?.error }
    if (page.rows.length < PAGE) return
    after = page.rows.at(-1)?.id
  }
}

async function reading<T>(
  dataSource: OneColumn['binding']['dataSource'],
  read: (runner: QueryRunner) => Promise<T>,
): Promise<T> {
  const runner = dataSource.createQueryRunner()
  try {
    return await read(runner)
  } finally {
    await runner.release()
  }
}
