import type { EntityMetadata, ObjectLiteral, QueryRunner } from 'typeorm'
import type { StoredFile } from '../core/stored-file.js'
import type { ColumnMetadata, FileColumnMetadata } from './file-metadata.js'
import type { RowFiles } from './row-reader.js'

/** An entity whose INSERT may meet a row that exists already. */
export interface Insertion {
  readonly entity: ObjectLiteral
  readonly metadata: EntityMetadata
  readonly columns: readonly FileColumnMetadata[]
}

/** A row that an INSERT may meet, or has written. */
export interface ConflictRow {
  readonly files: RowFiles
  /** Whether an INSERT of this transaction met it, where the database tells (PostgreSQL). */
  readonly wasMet: boolean
}

// Entities in one statement: each brings some conditions.
const CHUNK = 100

/**
 * The rows with the primary key, or with all values of another unique key, of any of these entities: what an INSERT
 * of them can meet. Unique keys that TypeORM does not know of are not looked at.
 *
 * @param insertions of one entity class
 * @param lock whether there is a transaction to hold row locks
 * @returns by primary key
 */
export async function readConflictRows(
  runner: QueryRunner,
  insertions: readonly Insertion[],
  lock: boolean,
): Promise<Map<string, ConflictRow>> {
  const rows = new Map<string, ConflictRow>()
  for (let start = 0; start < insertions.length; start += CHUNK) {
    for (const [id, row] of await read(runner, insertions.slice(start, start + CHUNK), lock)) {
      rows.set(id, row)
    }
  }
  return rows
}

/** Whether it is known before the INSERT which rows the entity can meet. */
export function hasKey(insertion: Insertion): boolean {
  return keysOf(insertion).length > 0
}

async function read(
  runner: QueryRunner,
  insertions: readonly Insertion[],
  lock: boolean,
): Promise<[string, ConflictRow][]> {
  const [first] = insertions
  const keys = insertions.flatMap(keysOf)
  if (first === undefined || keys.length === 0) return []
  const { metadata, columns } = first
  const query = runner.manager.createQueryBuilder(metadata.target, 'entity').select([]).withDeleted()
  metadata.primaryColumns.forEach((column, index) => {
    query.addSelect(`entity.${column.propertyPath}`, `id_${index}`)
  })
  columns.forEach(({ column }, index) => {
    query.addSelect(`entity.${column.propertyPath}`, `file_${index}`)
  })
  const { driver } = runner.manager.dataSource ?? runner.manager.connection
  // An updated or locked row has the transaction in xmax, an inserted one has 0 (PostgreSQL, "System Columns").
  if (driver.options.type === 'postgres') query.addSelect('entity.xmax', 'met')
  let count = 0
  for (const key of keys) {
    const terms = key.map(([column, value]) => {
      const name = `key_${count++}`
      query.setParameter(name, driver.preparePersistentValue(value, column))
      return `entity.${column.propertyPath} = :${name}`
    })
    query.orWhere(`(${terms.join(' AND ')})`)
  }
  if (lock) query.setLock('pessimistic_write')
  const found = await query.getRawMany<Record<string, unknown>>()
  return found.map(row => [
    JSON.stringify(metadata.primaryColumns.map((_, index) => row[`id_${index}`])),
    {
      files: new Map(columns.map((column, index) => [column, filesIn(column, row[`file_${index}`])])),
      wasMet: row.met !== undefined && String(row.met) !== '0',
    },
  ])
}

/** Every unique key of which the entity has all values. NULL conflicts with nothing. */
function keysOf({ metadata, entity }: Insertion): [ColumnMetadata, unknown][][] {
  const keys = [
    metadata.primaryColumns,
    ...metadata.uniques.map(({ columns }) => columns),
    ...metadata.indices.filter(({ isUnique }) => isUnique).map(({ columns }) => columns),
  ]
  return keys
    .map(columns =>
      columns.map(column => [column, column.getEntityValue(entity)] as [ColumnMetadata, unknown]),
    )
    .filter(key => key.every(([, value]) => isPlain(value)))
}

/** Not what only the database knows: its default, NULL or an expression. */
function isPlain(value: unknown): boolean {
  return value !== undefined && value !== null && typeof value !== 'function'
}

function filesIn({ transformer }: FileColumnMetadata, text: unknown): readonly StoredFile[] {
  return transformer.filesOf(transformer.from(text))
}
