import { Column, type ColumnOptions, type EntitySchemaColumnOptions } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { columnOf, type FileColumnOptions } from './file-column.js'

/** What a column of several files accepts. */
export interface FilesColumnOptions extends Omit<FileColumnOptions, 'legacy'> {
  /** How many files it takes. Default: 100. */
  maxFiles?: number
}

/**
 * A column that holds an ordered list of files: `readonly StoredFile[] | null`. Every file of it has the promises
 * of {@link FileColumn}: new ones are claimed, those that are left out are deleted after the commit, and another
 * order is only another text. A list from the database is frozen: assign a new one.
 *
 * Needs `withFiles(storage, dataSource)`.
 *
 * @throws ERR_CONFIG
 * @example
 * \@FilesColumn({ folder: 'photos', accept: ['image/*'], maxFiles: 12 })
 * photos!: readonly StoredFile[] | null
 *
 * album.photos = [...(album.photos ?? []), ...req.files.map(file => file.stored)]
 */
export function FilesColumn(options: FilesColumnOptions): PropertyDecorator {
  return Column(filesColumn(options))
}

/**
 * {@link FilesColumn} for an EntitySchema.
 *
 * @throws ERR_CONFIG
 * @example
 * new EntitySchema<Album>({ name: 'Album', columns: { id: …, photos: filesColumn({ folder: 'photos' }) } })
 */
export function filesColumn({
  maxFiles = 100,
  ...options
}: FilesColumnOptions): ColumnOptions & EntitySchemaColumnOptions {
  if (!Number.isInteger(maxFiles) || maxFiles < 1)
    throw new StorageError('ERR_CONFIG', `maxFiles is a positive whole number; got ${maxFiles}.`)
  if ('legacy' in options) throw new StorageError('ERR_CONFIG', 'A list of files has no legacy reader.')
  return columnOf(options, maxFiles)
}
