import type { EntityTarget, ObjectLiteral } from 'typeorm'
import type { FileRow, FileTable } from '../typeorm/file-table.js'
import { rowIdOf } from './journal.js'
import type { ChosenColumns } from './one-column.js'
import { entitiesOf } from './row-query.js'

const PAGE = 200

/** The rows of an entity that hold a file; of a child only its own, though its brothers share the table. */
export async function* rowsOfEntity(table: FileTable, chosen: ChosenColumns): AsyncGenerator<FileRow> {
  const rows = table.rows(chosen.binding.ledger)
  if (chosen.metadata.tableType !== 'entity-child') {
    yield* rows
    return
  }
  let page: FileRow[] = []
  for await (const row of rows) {
    page.push(row)
    if (page.length < PAGE) continue
    yield* await ownOf(page, chosen)
    page = []
  }
  yield* await ownOf(page, chosen)
}

async function ownOf(rows: readonly FileRow[], { binding, metadata }: ChosenColumns): Promise<FileRow[]> {
  const runner = binding.dataSource.createQueryRunner()
  try {
    const own = await entitiesOf(runner, metadata.target as EntityTarget<ObjectLiteral>, rows)
    return rows.filter(({ id }) => own.has(rowIdOf(id)))
  } finally {
    await runner.release()
  }
}
