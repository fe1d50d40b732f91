import type { FileRow, FileTable } from '../file-table.js'
import type { ReconcileContext } from './context.js'
import { rowOf } from './findings.js'
import { addressOf, type SortedRows } from './sorted-rows.js'

/** Reads all rows, keeps their files in order, and says which of them nobody can locate. */
export async function readRows(context: ReconcileContext, rows: SortedRows): Promise<void> {
  const { scope, report, options } = context
  const isWhole = options.tenant === undefined && options.prefix === undefined
  for await (const { table, row, column, file } of filesOfRows(context)) {
    context.step('rows', ++report.files)
    const address = addressOf(context.binding.storage, file)
    if (address === undefined) {
      if (isWhole) addUnreadable(context, table, column, row, file.backend)
    } else if (scope.covers(address.backend, address.objectKey)) await rows.add(table, column, row, file)
  }
}

/** Every file of every row. */
export async function* filesOfRows({ tables, binding }: ReconcileContext) {
  for (const table of tables) {
    for await (const row of table.rows(binding.ledger)) {
      for (const column of table.columns.keys()) {
        for (const file of table.filesOf(row, column)) yield { table, row, column, file }
      }
    }
  }
}

function addUnreadable(
  { report }: ReconcileContext,
  table: FileTable,
  column: number,
  row: FileRow,
  backend: string,
): void {
  report.add({
    kind: 'unreadable',
    backend,
    objectKey: '',
    disk: null,
    tenant: null,
    rows: [rowOf(table, column, row.id)],
    state: null,
    says: 'The row holds text that names no file of this storage: its disk or backend is not configured, or it is no file.',
  })
}
