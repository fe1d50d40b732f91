import type { ObjectLiteral } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { SortedRows } from '../typeorm/reconcile/sorted-rows.js'
import { empty } from './adopt-bytes.js'
import { assertAdoptable, assertLocatable, type Cell, filesIn } from './cell.js'
import { rowIdOf } from './journal.js'
import type { OneColumn } from './one-column.js'
import type { RunOptions } from './options.js'
import { movableCells } from './plan-migration.js'
import { comparePlaces } from './plan-places.js'
import type { Tally } from './progress.js'

/** Counts what an adoption would do; missing files are found by the listings of their backends, not by a call for each. */
export async function planAdoption<E extends ObjectLiteral>(
  of: OneColumn,
  options: RunOptions<E>,
  tally: Tally,
): Promise<void> {
  const { storage, table, entity, property } = of
  const { rules } = of.column.transformer.settings
  const fail = (rowId: string, error: unknown) => tally.fail({ entity, property, row: rowId }, error)
  const sorted = new SortedRows(storage, [table])
  try {
    for await (const { cell, error } of movableCells(of, options)) {
      tally.rows++
      const reason = error ?? refusal(of, cell)
      if (reason !== undefined) fail(cell.rowId, reason)
      else {
        const row = { id: cell.id, texts: [cell.text], owner: undefined }
        for (const file of filesIn(of.column, cell.text)) await sorted.add(table, 0, row, file)
      }
    }
    let last: string | undefined
    for await (const { row, source } of comparePlaces(storage, sorted, undefined, options.signal)) {
      if (source === undefined) fail(rowIdOf(row.id), missing(row.objectKey))
      else if (source.size === 0 && rules.empty === 'refuse') fail(rowIdOf(row.id), empty())
      else {
        const place = `${row.backend}/${row.objectKey}`
        tally.moved++
        tally.bytes += source.size
        if (place === last) tally.copied++
        last = place
      }
    }
  } finally {
    await sorted.close()
  }
}

function refusal({ storage, column }: OneColumn, { text }: Cell): unknown {
  try {
    assertAdoptable(column, text)
    for (const file of filesIn(column, text)) assertLocatable(storage, file)
    return undefined
  } catch (error) {
    return error
  }
}

function missing(objectKey: string): StorageError {
  return new StorageError('ERR_FILE_NOT_FOUND', `No object lies at ${objectKey}.`)
}
