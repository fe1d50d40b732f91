import type { DataSource, EntityMetadata } from 'typeorm'
import { StorageError } from '../core/errors.js'
import type { StoredFile } from '../core/stored-file.js'
import type { ColumnMetadata, FileColumnMetadata, FileEntities } from './file-metadata.js'
import { keyText } from './key-text.js'
import type { DatabaseLedger } from './ledger.js'
import { type LedgerSql, type Place, quotedTable, type Statement } from './ledger-sql.js'
import { takeRows } from './reconcile/take-rows.js'

const PAGE = 1000

/** One row's file columns, as text. */
export interface FileRow {
  /** The primary key, each part as text: numbers and times would lose digits as JavaScript's. */
  readonly id: readonly string[]
  /** In the order of {@link FileTable.columns}. */
  readonly texts: readonly (string | null)[]
  /** Whose the row says it is; undefined where no column says that. */
  readonly owner: string | null | undefined
}

/** A file column of a table. */
export interface TableColumn {
  /** Entity and property, for people. */
  readonly name: string
  readonly of: FileColumnMetadata
}

/** A table with file columns, read page by page in the order of its primary key. */
export class FileTable {
  readonly entity: string
  readonly columns: readonly TableColumn[]
  readonly #metadata: EntityMetadata
  readonly #owner: ColumnMetadata | undefined
  readonly #sql: LedgerSql
  readonly #database: Database

  constructor(
    metadata: EntityMetadata,
    columns: readonly TableColumn[],
    owner: ColumnMetadata | undefined,
    sql: LedgerSql,
  ) {
    this.entity = metadata.name
    this.columns = columns
    this.#metadata = metadata
    this.#owner = owner
    this.#sql = sql
    this.#database = databaseOf(metadata)
  }

  /** Whether its rows say whose they are. */
  get hasOwner(): boolean {
    return this.#owner !== undefined
  }

  /** Properties of the primary key, in the order of {@link FileRow.id}. */
  get idNames(): readonly string[] {
    return this.#metadata.primaryColumns.map(({ propertyPath }) => propertyPath)
  }

  /** All rows that hold a file, also those that are softly removed. */
  async *rows(ledger: DatabaseLedger): AsyncGenerator<FileRow> {
    let after: readonly string[] | undefined
    for (;;) {
      const page = takeRows(await ledger.read(this.page(after, PAGE)))
      for (const row of page) yield this.#rowOf(row)
      if (page.length < PAGE) return
      after = this.#rowOf(page.at(-1) ?? {}).id
    }
  }

  /** The next rows that hold a file, in the order of the primary key. */
  page(after: readonly string[] | undefined, size: number): Statement {
    return this.#sql.build(p => {
      const holdsFile = this.columns.map(({ of }) => `${this.#escape(of.column.databaseName)} IS NOT NULL`)
      const where = [`(${holdsFile.join(' OR ')})`]
      if (after !== undefined) where.push(this.#behind(after, p))
      const order = this.#primary(part => part, ', ')
      return `${this.#select()} WHERE ${where.join(' AND ')} ORDER BY ${order} LIMIT ${size}`
    })
  }

  /**
   * Some rows as they are now.
   *
   * @param lock follows the statement, for example to lock the rows
   */
  some(ids: readonly (readonly string[])[], lock = ''): Statement {
    return this.#sql.build(p => {
      const order = this.#primary(part => part, ', ')
      return `${this.#select()} WHERE ${this.#among(ids, p)} ORDER BY ${order}${lock}`
    })
  }

  /**
   * Writes one file column of some rows and nothing else: no hooks, no version, no time of the last update.
   *
   * @param column its place in {@link columns}
   */
  write(column: number, cells: readonly { id: readonly string[]; text: string }[]): Statement {
    const name = this.#escape(this.columns[column]?.of.column.databaseName ?? '')
    // MariaDB writes such a time by itself, unless the statement does.
    const kept = this.#metadata.columns.filter(({ onUpdate }) => this.#database === 'mysql' && onUpdate)
    const others = kept.map(
      ({ databaseName }) => `, ${this.#escape(databaseName)} = ${this.#escape(databaseName)}`,
    )
    return this.#sql.build(p => {
      const ids = cells.map(({ id }) => id)
      return `UPDATE ${this.#table()} SET ${name} = COALESCE(${this.#textBy(cells, p)}, ${name})${others.join('')} WHERE ${this.#among(ids, p)}`
    })
  }

  /**
   * One row as it is now.
   *
   * @param lock follows the statement, for example to lock the row
   */
  one(id: readonly string[], lock = ''): Statement {
    return this.#sql.build(
      p => `${this.#select()} WHERE ${this.#primary((part, index) => `${part} = ${p(id[index])}`)}${lock}`,
    )
  }

  /** What {@link page} and {@link some} gave. */
  readAll(rows: readonly Record<string, unknown>[]): FileRow[] {
    return rows.map(row => this.#rowOf(row))
  }

  /** What {@link one} gave. */
  read(rows: readonly Record<string, unknown>[]): FileRow | undefined {
    const [row] = rows
    return row && this.#rowOf(row)
  }

  /** The files that one column of a row holds: one or none, or a list. */
  filesOf(row: FileRow, column: number): readonly StoredFile[] {
    const transformer = this.columns[column]?.of.transformer
    return transformer?.filesOf(transformer.from(row.texts[column] ?? null)) ?? []
  }

  #textBy(cells: readonly { id: readonly string[]; text: string }[], p: Place): string {
    const key = this.#listedKey()
    if (key !== undefined)
      return p.valueBy(
        key,
        cells.map(({ id, text }) => [id[0], text] as const),
        'text',
      )
    const cases = cells.map(
      ({ id, text }) => `WHEN ${this.#primary((part, index) => `${part} = ${p(id[index])}`)} THEN ${p(text)}`,
    )
    return `CASE ${cases.join(' ')} END`
  }

  /**
   * The primary key, where its values can stand in a list: a single column, on PostgreSQL. MariaDB and MySQL compare
   * numbers with lists of text as floating-point numbers.
   */
  #listedKey(): string | undefined {
    const [key, ...others] = this.#metadata.primaryColumns
    if (key === undefined || others.length > 0 || this.#database !== 'postgres') return undefined
    return this.#escape(key.databaseName)
  }

  #among(ids: readonly (readonly string[])[], p: Place): string {
    const key = this.#listedKey()
    if (key !== undefined) return `${key} ${p.oneOf(ids.map(([id]) => id))}`
    return `(${ids.map(id => `(${this.#primary((part, index) => `${part} = ${p(id[index])}`)})`).join(' OR ')})`
  }

  /**
   * `(a, b) > (x, y)`. MariaDB and MySQL use no index for that form, and PostgreSQL and SQLite none for the one that
   * is written out.
   */
  #behind(id: readonly string[], p: Place): string {
    const parts = this.#metadata.primaryColumns.map(({ databaseName }) => this.#escape(databaseName))
    if (this.#database !== 'mysql') return `(${parts.join(', ')}) > (${id.map(part => p(part)).join(', ')})`
    const steps = parts.map((part, last) => {
      const equal = parts.slice(0, last).map((before, index) => `${before} = ${p(id[index])}`)
      return `(${[...equal, `${part} > ${p(id[last])}`].join(' AND ')})`
    })
    return `(${steps.join(' OR ')})`
  }

  #select(): string {
    const id = this.#metadata.primaryColumns.map((column, index) => `${this.#asText(column)} AS id_${index}`)
    const files = this.columns.map(
      ({ of }, index) => `${this.#escape(of.column.databaseName)} AS file_${index}`,
    )
    const owner = this.#owner === undefined ? [] : [`${this.#asText(this.#owner)} AS owner_of_row`]
    return `SELECT ${[...id, ...files, ...owner].join(', ')} FROM ${this.#table()}`
  }

  #table(): string {
    return quotedTable(dataSourceOf(this.#metadata).driver, this.#metadata.tablePath)
  }

  #primary(write: (part: string, index: number) => string, join = ' AND '): string {
    return this.#metadata.primaryColumns
      .map(({ databaseName }, index) => write(this.#escape(databaseName), index))
      .join(join)
  }

  #asText(column: ColumnMetadata): string {
    return keyText(column, this.#escape(column.databaseName))
  }

  #escape(name: string): string {
    return dataSourceOf(this.#metadata).driver.escape(name)
  }

  #rowOf(row: Record<string, unknown>): FileRow {
    const text = (value: unknown) => (value === null || value === undefined ? null : String(value))
    return {
      id: this.#metadata.primaryColumns.map((_, index) => String(row[`id_${index}`])),
      texts: this.columns.map((_, index) => text(row[`file_${index}`])),
      owner: this.#owner === undefined ? undefined : text(row.owner_of_row),
    }
  }
}

type Database = 'postgres' | 'mysql' | 'sqlite'

function databaseOf(metadata: EntityMetadata): Database {
  const { type } = dataSourceOf(metadata).options
  if (type === 'postgres') return 'postgres'
  return type === 'mysql' || type === 'mariadb' ? 'mysql' : 'sqlite'
}

function dataSourceOf(metadata: EntityMetadata): DataSource {
  return metadata.dataSource ?? metadata.connection
}

/**
 * The tables behind the entities with file columns. Several entities may share one: the children of a table, and a
 * second entity over the same table.
 *
 * @param names the entities that are asked for; all where it is undefined
 * @param owners the property that says whose a row is, by entity
 * @throws ERR_CONFIG for an entity without file columns, or a property that is none
 */
export function fileTables(
  entities: FileEntities,
  names: readonly string[] | undefined,
  owners: Readonly<Record<string, string>>,
  sql: LedgerSql,
): FileTable[] {
  const known = [...entities.keys()].map(({ name }) => name)
  const unknown = [...(names ?? []), ...Object.keys(owners)].find(name => !known.includes(name))
  if (unknown !== undefined)
    throw new StorageError('ERR_CONFIG', `"${unknown}" is no entity with file columns of this DataSource.`)
  const tables = new Map<string, { metadata: EntityMetadata; columns: Map<string, TableColumn> }>()
  for (const [metadata, columns] of entities) {
    if (metadata.tableType === 'view' || (names !== undefined && !names.includes(metadata.name))) continue
    const table = tables.get(metadata.tablePath) ?? { metadata, columns: new Map() }
    tables.set(metadata.tablePath, table)
    for (const of of columns) {
      const { databaseName, propertyPath } = of.column
      if (!table.columns.has(databaseName))
        table.columns.set(databaseName, { name: `${metadata.name}.${propertyPath}`, of })
    }
  }
  return [...tables.values()].map(
    ({ metadata, columns }) =>
      new FileTable(metadata, [...columns.values()], ownerColumn(metadata, owners[metadata.name]), sql),
  )
}

/** @throws ERR_CONFIG */
function ownerColumn(metadata: EntityMetadata, property: string | undefined): ColumnMetadata | undefined {
  if (property === undefined) return undefined
  const column = metadata.findColumnWithPropertyPath(property)
  if (column !== undefined) return column
  throw new StorageError('ERR_CONFIG', `${metadata.name} has no column "${property}".`)
}
