import type { Table } from 'typeorm'
import { StorageError } from '../core/errors.js'
import type { OneColumn } from './one-column.js'

/** Characters. The text of a file has more than a path: names, type and a checksum. */
const LEAST_LENGTH = 1000
/** What databases that look at the length call text with one. */
const LIMITED: readonly string[] = ['varchar', 'character varying', 'char', 'character', 'nvarchar']

/**
 * Whether the rows of a column's table can be told apart, and take the texts of files.
 *
 * @throws ERR_CONFIG
 */
export async function assertTable({ binding, column: { column }, entity }: OneColumn): Promise<void> {
  const runner = binding.dataSource.createQueryRunner()
  try {
    const { tablePath, primaryColumns } = column.entityMetadata
    const table = await runner.getTable(tablePath)
    if (table === undefined) return // a view or the like: the database says itself what it does not do
    const key = primaryColumns.map(({ databaseName }) => databaseName)
    if (!isUnique(table, key)) throw noKey(table.name, key)
    const { type = '', length } = table.findColumnByName(column.databaseName) ?? {}
    const isLimited = binding.sql.dialect.family !== 'sqlite' && LIMITED.includes(type)
    if (isLimited && Number(length || LEAST_LENGTH) < LEAST_LENGTH)
      throw tooShort(`${entity}.${column.propertyPath}`, `${type}(${length})`)
  } finally {
    await runner.release()
  }
}

/** Whether the database itself sees to it that no two rows have the same key. */
function isUnique(table: Table, key: readonly string[]): boolean {
  const sets = [
    table.primaryColumns.map(({ name }) => name),
    ...table.uniques.map(({ columnNames }) => columnNames),
    ...table.indices.filter(index => index.isUnique && !index.where).map(({ columnNames }) => columnNames),
  ]
  return sets.some(names => names.length > 0 && names.every(name => key.includes(name)))
}

function noKey(table: string, key: readonly string[]): StorageError {
  return new StorageError(
    'ERR_CONFIG',
    `The table ${table} has no primary key on ${key.join(', ')}: its rows cannot be told apart. Give it one, or a unique index.`,
  )
}

function tooShort(column: string, type: string): StorageError {
  return new StorageError(
    'ERR_CONFIG',
    `The column of ${column} is ${type}, which is too short for the text of a file. Make it text first: adoptColumn().`,
  )
}
