import type { ObjectLiteral, QueryRunner } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { type Cell, filesIn } from './cell.js'
import type { FailedCell } from './copied-cell.js'
import type { OneColumn } from './one-column.js'
import type { MigrateOptions } from './options.js'
import { entitiesOf } from './row-query.js'

/** Those of these cells whose file names another tenant than its row, by their row. */
export async function wrongTenants<E extends ObjectLiteral>(
  runner: QueryRunner,
  { column }: Pick<OneColumn, 'column'>,
  { tenantOf, entity }: Pick<MigrateOptions<E>, 'tenantOf' | 'entity'>,
  cells: readonly Cell[],
): Promise<Map<string, FailedCell>> {
  const wrong = new Map<string, FailedCell>()
  if (tenantOf === undefined) return wrong
  const rows = await entitiesOf(runner, entity, cells)
  for (const cell of cells) {
    const row = rows.get(cell.rowId)
    if (row === undefined) continue // gone meanwhile, which the switch finds out
    try {
      const expected = ask(tenantOf, row)
      // What nobody can read has no tenant; it fails for a better reason.
      for (const file of filesIn(column, cell.text))
        if (file.key !== '') assertTenantOfRow(expected, file.tenant)
    } catch (error) {
      wrong.set(cell.rowId, { cell, error })
    }
  }
  return wrong
}

/** @throws ERR_TENANT_MISMATCH where the application's own function fails */
function ask<E>(tenantOf: (row: E) => string | null, row: E): string | null {
  try {
    return tenantOf(row)
  } catch (cause) {
    const message = `tenantOf cannot say whose this row is: ${String(cause)}`
    throw new StorageError('ERR_TENANT_MISMATCH', message, { cause })
  }
}

/** @throws ERR_TENANT_MISMATCH */
function assertTenantOfRow(expected: string | null, tenant: string | null): void {
  if (expected === tenant) return
  throw new StorageError(
    'ERR_TENANT_MISMATCH',
    `The row belongs to ${JSON.stringify(expected)}, and its file to ${JSON.stringify(tenant)}.`,
  )
}
