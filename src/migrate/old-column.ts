import type { QueryRunner, Table, TableColumn } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { quotedTable } from '../typeorm/ledger-sql.js'

/** A column of plain paths, as the other application made it. */
export interface OldColumn {
  /** With its schema, where it is another than the connection's own. */
  readonly table: string
  readonly column: string
  /** Its length before, for the way back. Default: 100, as Django makes it. */
  readonly length?: number
  /** Whether it could be NULL before, for the way back. Default: false, as Django makes it. */
  readonly nullable?: boolean
}

/** A column, and how its database speaks. */
interface Place {
  readonly runner: QueryRunner
  readonly table: Table
  readonly column: TableColumn
  readonly family: 'postgres' | 'mysql' | 'sqlite'
}

/** What a column is to become. */
interface Shape {
  /** Characters; undefined: text without a limit. */
  readonly length: number | undefined
  readonly nullable: boolean
}

/**
 * Makes text of a column that is too short for files of this library, such as Django's `varchar(100)`, and lets it be NULL.
 * Values, defaults, indexes and triggers stay. TypeORM's own `changeColumn` would drop the column, and all paths with it.
 *
 * @throws ERR_CONFIG where there is no such column, or an index stands in the way (MySQL and MariaDB)
 * @example
 * const column = { table: 'order_file', column: 'file' }
 * export class OrderFileText1764200000000 implements MigrationInterface {
 *   up(runner: QueryRunner) { return adoptColumn(runner, column) }
 *   down(runner: QueryRunner) { return restoreColumn(runner, column) }
 * }
 */
export async function adoptColumn(runner: QueryRunner, old: OldColumn): Promise<void> {
  const place = await placeOf(runner, old)
  assertNoIndex(place)
  await change(place, { length: undefined, nullable: true })
}

/**
 * The way back of {@link adoptColumn}. Where the column may not be NULL any more, NULL becomes empty text, as Django writes it.
 *
 * @throws ERR_CONFIG where a row holds a file of this library or text that is too long: take the adoption back first
 */
export async function restoreColumn(runner: QueryRunner, old: OldColumn): Promise<void> {
  const { length = 100, nullable = false } = old
  if (!Number.isInteger(length) || length < 1)
    throw new StorageError('ERR_CONFIG', `restoreColumn: length is a positive whole number; got ${length}.`)
  const place = await placeOf(runner, old)
  await assertFits(place, length)
  if (!nullable) await emptyInsteadOfNull(place)
  await change(place, { length, nullable })
}

async function placeOf(runner: QueryRunner, { table: name, column: columnName }: OldColumn): Promise<Place> {
  const { type } = runner.connection.options
  const family =
    type === 'postgres' ? 'postgres' : type === 'mysql' || type === 'mariadb' ? 'mysql' : 'sqlite'
  const table = await runner.getTable(name)
  const column = table?.findColumnByName(columnName)
  if (table !== undefined && column !== undefined) return { runner, table, column, family }
  throw new StorageError('ERR_CONFIG', `There is no column "${columnName}" in a table "${name}".`)
}

async function change(place: Place, shape: Shape): Promise<void> {
  const { runner, family } = place
  if (family === 'sqlite') return rebuild(place, shape)
  const { table, column } = quoted(place)
  const type = shape.length === undefined ? 'text' : `varchar(${shape.length})`
  if (family === 'postgres') {
    await runner.query(
      `ALTER TABLE ${table} ALTER COLUMN ${column} TYPE ${type}, ALTER COLUMN ${column} ${shape.nullable ? 'DROP' : 'SET'} NOT NULL`,
    )
    return
  }
  const { charset, collation, comment } = place.column
  // Whatever is left out of MODIFY falls back to what the table says.
  const set = charset ? ` CHARACTER SET ${charset}` : ''
  const order = collation ? ` COLLATE ${collation}` : ''
  const said = comment ? ` COMMENT '${comment.replaceAll('\\', '\\\\').replaceAll("'", "''")}'` : ''
  await runner.query(
    `ALTER TABLE ${table} MODIFY ${column} ${type}${set}${order} ${shape.nullable ? 'NULL' : 'NOT NULL'}${said}`,
  )
}

/** SQLite changes no column, so TypeORM makes the table anew; its triggers would be gone. */
async function rebuild({ runner, table, column }: Place, { length, nullable }: Shape): Promise<void> {
  await assertNobodyRefers(runner, table)
  const triggers: { sql: string }[] = await runner.query(
    `SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?`,
    [table.name],
  )
  const changed = column.clone()
  changed.type = length === undefined ? 'text' : 'varchar'
  changed.length = length === undefined ? '' : String(length)
  changed.isNullable = nullable
  await runner.changeColumn(table, column, changed)
  for (const { sql } of triggers) await runner.query(sql)
}

/** Dropping the old table deletes its rows, and so what refers to them. @throws ERR_CONFIG */
async function assertNobodyRefers(runner: QueryRunner, { name }: Table): Promise<void> {
  const [pragma] = await runner.query('PRAGMA foreign_keys')
  if (Number(pragma?.foreign_keys) !== 1) return
  const referring: { name: string }[] = await runner.query(
    `SELECT m.name FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table' AND lower(f."table") = lower(?)`,
    [name],
  )
  const [first] = referring
  if (first === undefined) return
  throw new StorageError(
    'ERR_CONFIG',
    `SQLite makes the table ${name} anew for this, and rows of ${first.name} that refer to it would be deleted. Turn that off before the transaction: PRAGMA foreign_keys = OFF. TypeORM does so for migration:run, and not for migration:revert.`,
  )
}

/** @throws ERR_CONFIG */
function assertNoIndex({ table, column, family }: Place): void {
  if (family !== 'mysql') return
  const found = [...table.indices, ...table.uniques].find(({ columnNames }) =>
    columnNames.includes(column.name),
  )
  if (found === undefined) return
  throw new StorageError(
    'ERR_CONFIG',
    `The index "${found.name}" is on the whole column "${column.name}", which MySQL and MariaDB do not allow for text. Drop it first.`,
  )
}

/** @throws ERR_CONFIG */
async function assertFits(place: Place, length: number): Promise<void> {
  const { runner, family } = place
  const { table, column } = quoted(place)
  const measure = family === 'sqlite' ? 'LENGTH' : 'CHAR_LENGTH'
  const [row] = await runner.query(
    `SELECT COUNT(*) AS n FROM ${table} WHERE ${measure}(${column}) > ${length} OR ${column} LIKE '{"v":%'`,
  )
  if (Number(row?.n) === 0) return
  throw new StorageError(
    'ERR_CONFIG',
    `${row?.n} rows of ${place.table.name} hold a file of tenant-files, or text of more than ${length} characters. Take the adoption back first: rollbackAdoption().`,
  )
}

async function emptyInsteadOfNull(place: Place): Promise<void> {
  const { table, column } = quoted(place)
  // MariaDB writes such a time by itself, unless the statement does.
  const kept = place.table.columns
    .filter(({ onUpdate }) => onUpdate)
    .map(({ name }) => place.runner.connection.driver.escape(name))
  const others = kept.map(name => `, ${name} = ${name}`).join('')
  await place.runner.query(`UPDATE ${table} SET ${column} = ''${others} WHERE ${column} IS NULL`)
}

function quoted({ runner, table, column }: Place): { table: string; column: string } {
  const { driver } = runner.connection
  return { table: quotedTable(driver, table.name), column: driver.escape(column.name) }
}
