import type { DataSource, EntityMetadata, ObjectLiteral } from 'typeorm'
import type { FileColumnMetadata } from '../typeorm/file-metadata.js'
import { bindingOf } from '../typeorm/files-binding.js'
import { type ColumnChoice, chosenColumns } from './one-column.js'

/**
 * What `migrateFiles`, `rollbackFiles`, `pruneFiles` and `planMigration` are to be called with, one after the other, for every
 * file column of a DataSource to have its turn once. Entities may share a table: its children, and a second entity over it.
 *
 * @throws ERR_CONFIG, ERR_LEDGER_NOT_READY
 * @example
 * for (const choice of everyFileColumn(dataSource)) await migrateFiles({ ...choice, to: 'spaces' })
 */
export function everyFileColumn(dataSource: DataSource): ColumnChoice<ObjectLiteral>[] {
  const { entities } = bindingOf(dataSource).open()
  const seen = new Set<string>()
  const choices: ColumnChoice<ObjectLiteral>[] = []
  for (const [metadata, columns] of [...entities].sort(parentsFirst)) {
    if (metadata.tableType === 'view') continue
    const fresh = columns.filter(({ column }) => !seen.has(placeOf(metadata, column)))
    for (const { column } of fresh) seen.add(placeOf(metadata, column))
    const entity = metadata.target as ColumnChoice<ObjectLiteral>['entity']
    if (fresh.length === columns.length) choices.push({ dataSource, entity })
    else choices.push(...fresh.map(({ column }) => ({ dataSource, entity, property: column.propertyPath })))
  }
  return choices
}

/**
 * The same for `adoptFiles` and `rollbackAdoption`: the columns that say how their old texts are read.
 *
 * @throws ERR_CONFIG, ERR_LEDGER_NOT_READY
 * @example
 * for (const choice of everyOldColumn(dataSource)) await adoptFiles(choice)
 */
export function everyOldColumn(dataSource: DataSource): ColumnChoice<ObjectLiteral>[] {
  return everyFileColumn(dataSource).filter(choice =>
    chosenColumns(choice).columns.some(({ transformer }) => transformer.settings.legacy !== undefined),
  )
}

/** A child stands for its own rows alone; its parent for those of all children. */
function parentsFirst([one]: [EntityMetadata, unknown], [other]: [EntityMetadata, unknown]): number {
  const isChild = ({ tableType }: EntityMetadata) => (tableType === 'entity-child' ? 1 : 0)
  return isChild(one) - isChild(other)
}

function placeOf({ tablePath }: EntityMetadata, { databaseName }: FileColumnMetadata['column']): string {
  return JSON.stringify([tablePath, databaseName])
}
