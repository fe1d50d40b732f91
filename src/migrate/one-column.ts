import { type DataSource, type EntityMetadata, EntitySchema, type ObjectLiteral } from 'typeorm'
import { StorageError } from '../core/errors.js'
import type { Storage } from '../core/storage.js'
import type { FileColumnMetadata } from '../typeorm/file-metadata.js'
import { FileTable } from '../typeorm/file-table.js'
import { bindingOf, type OpenBinding } from '../typeorm/files-binding.js'
import type { FileEntity } from '../typeorm/rules-of.js'
import { Journal, type JournalScope, scopeOf } from './journal.js'
import { createMigrationTables } from './journal-table.js'
import { TargetLines } from './target-lines.js'
import { Transactions } from './transactions.js'

/** An entity class, an EntitySchema, or the name of an entity. */
export type MigrateEntity<E extends ObjectLiteral> = FileEntity<E> | string

/** Which columns a migration is about. */
export interface ColumnChoice<E extends ObjectLiteral> {
  readonly dataSource: DataSource
  readonly entity: MigrateEntity<E>
  readonly property?: string
}

/** One file column with everything that its move, its way back and its pruning need. */
export class OneColumn {
  readonly binding: OpenBinding
  readonly column: FileColumnMetadata
  readonly scope: JournalScope
  /** With this column alone. */
  readonly table: FileTable
  readonly journal: Journal
  readonly lines: TargetLines
  readonly transactions: Transactions
  /** For people. */
  readonly entity: string
  readonly property: string

  constructor(binding: OpenBinding, metadata: EntityMetadata, column: FileColumnMetadata, target: string) {
    const { dataSource, sql } = binding
    this.binding = binding
    this.column = column
    this.entity = metadata.name
    this.property = column.column.propertyPath
    this.scope = scopeOf(column, target)
    const columns = [{ name: `${this.entity}.${this.property}`, of: column }]
    this.table = new FileTable(metadata, columns, undefined, sql)
    this.journal = new Journal(dataSource, sql.dialect, this.scope)
    this.lines = new TargetLines(sql)
    this.transactions = new Transactions(binding)
  }

  get storage(): Storage {
    return this.binding.storage
  }

  /** Whether rows can be locked. */
  get rowLocks(): boolean {
    return this.binding.sql.dialect.ownPool
  }
}

/** What stands in the journal in the place of a backend where old texts were adopted. */
export const ADOPTION = '(adopted)'

/**
 * The columns that a migration is about.
 *
 * @throws ERR_CONFIG, ERR_LEDGER_NOT_READY
 */
export function columnsOf<E extends ObjectLiteral>(
  choice: ColumnChoice<E>,
  target: string,
): readonly OneColumn[] {
  assertBackend(bindingOf(choice.dataSource).open(), target)
  const { binding, metadata, columns } = chosenColumns(choice)
  return columns.map(column => new OneColumn(binding, metadata, column, target))
}

/**
 * The columns whose old texts are adopted.
 *
 * @throws ERR_CONFIG where none of them says how its old texts are read, ERR_LEDGER_NOT_READY
 */
export function oldColumnsOf<E extends ObjectLiteral>(choice: ColumnChoice<E>): readonly OneColumn[] {
  const { binding, metadata, columns } = chosenColumns(choice)
  const old = columns.filter(({ transformer }) => transformer.settings.legacy !== undefined)
  if (old.length > 0) return old.map(column => new OneColumn(binding, metadata, column, ADOPTION))
  throw new StorageError(
    'ERR_CONFIG',
    `No file column of ${metadata.name} that was asked for has the option "legacy", which says how old texts are read.`,
  )
}

/** File columns of one entity. */
export interface ChosenColumns {
  readonly binding: OpenBinding
  readonly metadata: EntityMetadata
  readonly columns: readonly FileColumnMetadata[]
}

/** @throws ERR_CONFIG, ERR_LEDGER_NOT_READY */
export function chosenColumns<E extends ObjectLiteral>({
  dataSource,
  entity,
  property,
}: ColumnChoice<E>): ChosenColumns {
  const binding = bindingOf(dataSource).open()
  const metadata = metadataOf(binding, entity)
  const all = binding.entities.get(metadata) ?? []
  const columns = all.filter(({ column }) => property === undefined || column.propertyPath === property)
  if (columns.length > 0) return { binding, metadata, columns }
  const what = property === undefined ? 'no file column' : `no file column "${property}"`
  throw new StorageError('ERR_CONFIG', `${metadata.name} has ${what}.`)
}

/** @throws ERR_CONFIG for an entity that the DataSource does not have */
function metadataOf<E extends ObjectLiteral>(
  { dataSource, entities }: OpenBinding,
  entity: MigrateEntity<E>,
): EntityMetadata {
  if (dataSource.hasMetadata(entity)) return dataSource.getMetadata(entity)
  const name = entity instanceof EntitySchema ? entity.options.name : nameOf(entity)
  const known = [...entities.keys()].map(each => each.name).join(', ')
  throw new StorageError(
    'ERR_CONFIG',
    `There is no entity "${name}" in this DataSource. With file columns: ${known || 'none'}.`,
  )
}

function nameOf(entity: string | { name: string }): string {
  return typeof entity === 'string' ? entity : entity.name
}

/** @throws ERR_BACKEND_UNKNOWN */
export function assertBackend({ storage }: Pick<OpenBinding, 'storage'>, name: string): void {
  if (storage.backendNames.includes(name)) return
  throw new StorageError(
    'ERR_BACKEND_UNKNOWN',
    `There is no backend "${name}". Configured: ${storage.backendNames.join(', ')}.`,
  )
}

/** Makes the tables of the journal where they are missing. */
export async function ensureTables(dataSource: DataSource): Promise<void> {
  const runner = dataSource.createQueryRunner()
  try {
    await createMigrationTables(runner)
  } finally {
    await runner.release()
  }
}
