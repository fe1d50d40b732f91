import type { DataSource, EntityMetadata, ObjectLiteral } from 'typeorm'
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

/** Which columns a migration is about. */
export interface ColumnChoice<E extends ObjectLiteral> {
  readonly dataSource: DataSource
  readonly entity: FileEntity<E>
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

/**
 * The columns that a migration is about.
 *
 * @throws ERR_CONFIG, ERR_LEDGER_NOT_READY
 */
export function columnsOf<E extends ObjectLiteral>(
  { dataSource, entity, property }: ColumnChoice<E>,
  target: string,
): readonly OneColumn[] {
  const binding = bindingOf(dataSource).open()
  assertBackend(binding, target)
  const metadata = dataSource.getMetadata(entity)
  const all = binding.entities.get(metadata) ?? []
  const found = all.filter(({ column }) => property === undefined || column.propertyPath === property)
  if (found.length > 0) return found.map(column => new OneColumn(binding, metadata, column, target))
  const what = property === undefined ? 'no file column' : `no file column "${property}"`
  throw new StorageError('ERR_CONFIG', `${metadata.name} has ${what}.`)
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
