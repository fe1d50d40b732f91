import type { DataSource, EntityMetadata } from 'typeorm'
import { getMetadataArgsStorage } from 'typeorm'
import { StorageError } from '../core/errors.js'
import type { Storage } from '../core/storage.js'
import { warn } from '../core/warn.js'
import { BoundTransformer, type FileColumnSettings, settingsOf } from './file-transformer.js'

/** A column as TypeORM knows it; its class is not exported. */
export type ColumnMetadata = EntityMetadata['columns'][number]

/** A file column, bound to a storage. */
export interface FileColumnMetadata {
  readonly column: ColumnMetadata
  readonly transformer: BoundTransformer
}

/** The file columns of each entity that has some. */
export type FileEntities = ReadonlyMap<EntityMetadata, readonly FileColumnMetadata[]>

/**
 * Binds every file column of a DataSource to a storage, whether it was declared by a decorator, an EntitySchema,
 * in an embedded class, a parent or a child. Only this DataSource's metadata change, never the declaration.
 *
 * @param reader stands for the DataSource: files that it read are known by it
 * @throws ERR_CONFIG
 */
export function bindFileColumns(dataSource: DataSource, storage: Storage, reader: object): FileEntities {
  const bound = new Map<ColumnMetadata, BoundTransformer>()
  const entities = new Map<EntityMetadata, FileColumnMetadata[]>()
  for (const metadata of dataSource.entityMetadatas) assertNoClash(metadata)
  for (const metadata of dataSource.entityMetadatas) {
    const columns: FileColumnMetadata[] = []
    for (const column of metadata.columns) {
      const settings = settingsOf(column.transformer)
      if (settings === undefined) continue
      assertDisk(storage, settings, `${metadata.name}.${column.propertyPath}`)
      // The children of a table share its columns.
      const rules = { ...settings.rules, field: `${metadata.name}.${column.propertyPath}` }
      const transformer = bound.get(column) ?? new BoundTransformer({ ...settings, rules }, storage, reader)
      bound.set(column, transformer)
      column.transformer = transformer
      columns.push({ column, transformer })
    }
    if (columns.length > 0) entities.set(metadata, columns)
  }
  assertRuleFields(dataSource, storage)
  return entities
}

/** A URL rule for what is misspelt would silently never fit. An entity may be one of another DataSource. */
function assertRuleFields(dataSource: DataSource, storage: Storage): void {
  for (const field of storage.urlRuleFields) {
    const [entity = '', ...path] = field.split('.')
    const metadata = dataSource.entityMetadatas.find(({ name }) => name === entity)
    if (metadata === undefined) {
      warn('URL_RULE_UNUSED', `A URL rule names ${field}, and this DataSource has no entity "${entity}".`)
      continue
    }
    const column = metadata.findColumnWithPropertyPath(path.join('.'))
    if (settingsOf(column?.transformer) !== undefined) continue
    throw new StorageError('ERR_CONFIG', `A URL rule names ${field}, which is no file column.`)
  }
}

function assertDisk(storage: Storage, { rules }: FileColumnSettings, property: string): void {
  if (storage.diskNames.includes(rules.disk)) return
  throw new StorageError(
    'ERR_CONFIG',
    `${property} names the disk "${rules.disk}", which this storage does not have. Configured: ${storage.diskNames.join(', ')}.`,
  )
}

/**
 * Children of one table that declare the same property share one column, and TypeORM keeps the first child's:
 * the files of the second would go where the first one's rules say.
 */
function assertNoClash(metadata: EntityMetadata): void {
  if (metadata.tableType !== 'entity-child') return
  for (const declared of getMetadataArgsStorage().filterColumns(metadata.target)) {
    const own = settingsOf(declared.options.transformer)
    const used = metadata.columns.find(({ propertyPath }) => propertyPath === declared.propertyName)
    const effective = settingsOf(used?.transformer)
    if (own === effective || isSame(own, effective)) continue
    throw new StorageError(
      'ERR_CONFIG',
      `${metadata.name}.${declared.propertyName} shares its column with another child of the same table, whose file rules differ. Give the properties different names.`,
    )
  }
}

function isSame(one: FileColumnSettings | undefined, other: FileColumnSettings | undefined): boolean {
  return (
    one?.legacy === other?.legacy &&
    one?.resolve === other?.resolve &&
    one?.maxFiles === other?.maxFiles &&
    JSON.stringify(one?.keeping) === JSON.stringify(other?.keeping) &&
    one?.rules.maxSize === other?.rules.maxSize && // JSON forgets functions
    JSON.stringify(one?.rules) === JSON.stringify(other?.rules)
  )
}
