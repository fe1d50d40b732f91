import { DataSource, type EntityManager } from 'typeorm'
import type { BulkFiles } from './bulk/bulk-files.js'
import { bindingOf } from './files-binding.js'

/**
 * Bulk and file operations of a DataSource that was given to `withFiles`, or of a manager, so that they are part
 * of its transaction.
 *
 * @throws ERR_CONFIG for a DataSource without a storage, ERR_LEDGER_NOT_READY for one that is not initialized
 * @example
 * await filesOf(dataSource).delete(OrderFile, { orderId })
 * await dataSource.transaction(manager => filesOf(manager).delete(OrderFile, [1, 2, 3]))
 */
export function filesOf(source: DataSource | EntityManager): BulkFiles {
  if (source instanceof DataSource) return bindingOf(source).bulk.filesOf(source.manager)
  return bindingOf(source.connection).bulk.filesOf(source)
}
