import { DataSource, type EntityManager } from 'typeorm'
import { StorageError } from '../core/errors.js'
import type { BulkFiles } from './bulk/bulk-files.js'
import { BOUND, FilesBinding } from './files-binding.js'

/**
 * Bulk and file operations of a DataSource that was given to `withFiles`, or of a manager, so that they are part
 * of its transaction.
 *
 * @throws ERR_CONFIG for a DataSource without a storage, or one that is not initialized
 * @example
 * await filesOf(dataSource).delete(OrderFile, { orderId })
 * await dataSource.transaction(manager => filesOf(manager).delete(OrderFile, [1, 2, 3]))
 */
export function filesOf(source: DataSource | EntityManager): BulkFiles {
  if (source instanceof DataSource) return bindingOf(source).bulk.filesOf(source.manager)
  return bindingOf(source.connection).bulk.filesOf(source)
}

/** @throws ERR_CONFIG for a DataSource without a storage */
export function bindingOf(dataSource: DataSource): FilesBinding {
  const binding: unknown = Reflect.get(dataSource, BOUND)
  if (binding instanceof FilesBinding) return binding
  throw new StorageError(
    'ERR_CONFIG',
    'This DataSource has no storage. Give it to withFiles(storage, dataSource) before initialize().',
  )
}
