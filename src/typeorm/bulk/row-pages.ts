import { Brackets, type EntityManager, type EntityMetadata, type ObjectLiteral } from 'typeorm'
import type { ColumnMetadata, FileColumnMetadata } from '../file-metadata.js'
import { filesIn, type RowFiles } from '../row-reader.js'
import { ALIAS } from './bulk-condition.js'

/** One row: its key, and what it holds. */
export interface FileRow {
  readonly id: ObjectLiteral
  readonly files: RowFiles
}

/** Which rows to read, and how. */
export interface RowQuery {
  readonly metadata: EntityMetadata
  readonly columns: readonly FileColumnMetadata[]
  /** Every row, where it is left out. */
  readonly where?: Brackets
  /** Whether rows that were softly removed count. */
  readonly withDeleted: boolean
  /** Whether the database has row locks. */
  readonly lock: boolean
  /** How many rows a page has. */
  readonly size: number
}

/**
 * Reads rows in pages, in the order of their primary key, and locks them until the end of the transaction. Each
 * page begins behind the last one's key, so rows may be written or deleted meanwhile, and it ends even where a
 * trigger keeps a row from being deleted.
 */
export async function* rowPages(manager: EntityManager, query: RowQuery): AsyncGenerator<FileRow[]> {
  for (let last: FileRow | undefined; ; ) {
    const page = await readPage(manager, query, last?.id)
    if (page.length > 0) yield page
    if (page.length < query.size) return
    last = page.at(-1)
  }
}

async function readPage(
  manager: EntityManager,
  { metadata, columns, where, withDeleted, lock, size }: RowQuery,
  after: ObjectLiteral | undefined,
): Promise<FileRow[]> {
  const query = manager.createQueryBuilder(metadata.target, ALIAS).select([]).limit(size)
  const driver = driverOf(metadata)
  const name = (column: ColumnMetadata) => `${driver.escape(ALIAS)}.${driver.escape(column.databaseName)}`
  const keys = metadata.primaryColumns
  keys.forEach((column, index) => {
    query.addSelect(name(column), `key_${index}`).addOrderBy(name(column))
  })
  columns.forEach(({ column }, index) => {
    query.addSelect(name(column), `file_${index}`)
  })
  if (where !== undefined) query.andWhere(where)
  if (after !== undefined) query.andWhere(behind(metadata, after, name))
  if (withDeleted) query.withDeleted()
  if (lock) query.setLock('pessimistic_write')
  const rows = await query.getRawMany<Record<string, unknown>>()
  return rows.map(row => {
    const id: ObjectLiteral = {}
    keys.forEach((column, index) => {
      column.setEntityValue(id, driver.prepareHydratedValue(row[`key_${index}`], column))
    })
    const held = columns.map((column, index) => [column, filesIn(column, row[`file_${index}`])] as const)
    return { id, files: new Map(held) }
  })
}

/** Behind a key: `a > 1 OR (a = 1 AND b > 2)`, which every database answers from the index. */
function behind(
  metadata: EntityMetadata,
  id: ObjectLiteral,
  name: (column: ColumnMetadata) => string,
): Brackets {
  const keys = metadata.primaryColumns.map((column, index) => ({
    name: name(column),
    parameter: `after_${index}`,
    value: driverOf(metadata).preparePersistentValue(column.getEntityValue(id), column),
  }))
  const parameters = Object.fromEntries(keys.map(({ parameter, value }) => [parameter, value]))
  return new Brackets(query => {
    keys.forEach((key, index) => {
      const equal = keys.slice(0, index).map(each => `${each.name} = :${each.parameter}`)
      query.orWhere(`(${[...equal, `${key.name} > :${key.parameter}`].join(' AND ')})`, parameters)
    })
  })
}

/** TypeORM 0.3 has no `dataSource`, and 1 is about to drop `connection`. */
export function driverOf(metadata: EntityMetadata): EntityMetadata['connection']['driver'] {
  return (metadata.dataSource ?? metadata.connection).driver
}
