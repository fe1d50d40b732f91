import { randomUUID } from 'node:crypto'
import type { DataSource } from 'typeorm'
import type { Storage } from '../../src/core/storage.js'
import { book } from '../../src/migrate/copied-cell.js'
import { SharedCursor, walkOf } from '../../src/migrate/cursor.js'
import { columnsOf, ensureTables } from '../../src/migrate/one-column.js'
import { takePage } from '../../src/migrate/page-source.js'
import { type FileEntity, reapOnce } from '../../src/typeorm/index.js'

/** What the new place of a file is, for the tests that put something there. */
export const keyOf = (text = '') => `media/${JSON.parse(text).tenant}/${JSON.parse(text).key}`

/**
 * A runner takes all rows, and is killed as soon as it has written them down in the journal (`taken`), or the lines of
 * their new objects in the ledger too (`staged`). Its leases are over at once.
 */
export async function runnerDies(
  when: 'taken' | 'staged',
  { dataSource, storage }: { readonly dataSource: DataSource; readonly storage: Storage },
  entity: FileEntity<object>,
): Promise<void> {
  await ensureTables(dataSource)
  const selection = { dataSource, entity, to: 'new' }
  const [of] = columnsOf(selection, 'new')
  if (of === undefined) throw new Error('no column')
  const { table, column, journal, lines, transactions, binding, scope } = of
  const cursor = new SharedCursor(dataSource, binding.sql.dialect, scope, walkOf(of, {}))
  await transactions.run(runner => cursor.open(runner))
  const page = await transactions.run(runner =>
    takePage(runner, {
      ...{ table, column, journal, cursor, selection, options: { entity } },
      ...{ worker: randomUUID(), lease: -1 },
    }),
  )
  if (page === undefined) throw new Error('no rows')
  // There were more rows behind these, so the next run goes on with the walk, and takes the rows up from the journal.
  const lastId = page.cells.at(-1)?.id
  await transactions.run(runner => cursor.advance(runner, { lastId, isDone: false }))
  if (when === 'taken') return
  const context = { storage, column, lines, selection, lease: 3_600_000 }
  await transactions.run(runner => book(runner, page.cells, context))
}

/** The reaper works as if every lease of an upload or a copy were over. */
export async function reapLater({
  dataSource,
  storage,
}: {
  readonly dataSource: DataSource
  readonly storage: Storage
}): Promise<void> {
  await dataSource.query(`UPDATE file_ledger SET expires_at = 1 WHERE state = 'pending'`)
  await reapOnce(storage)
}
