import { type QueryRunner, Table, type TableColumnOptions } from 'typeorm'
import type { Dialect } from '../typeorm/dialect.js'

/** Where the journal of migrations lies, and what its cursors are called. */
export const JOURNAL_TABLE = 'file_migration'
export const CURSOR_TABLE = 'file_migration_cursor'

/**
 * What is known of one file column of one row: `moving` is being copied under a lease; `moved` points to its new place;
 * `skipped` had changed when its copy was ready; `failed`; `restored` was moved and points to its old place again;
 * `pruned` was moved, and its old bytes are given up.
 */
export type JournalState = 'moving' | 'moved' | 'skipped' | 'failed' | 'restored' | 'pruned'

/**
 * Makes the tables that migrations keep their state in, where they are missing. `migrateFiles` calls it; call it in a
 * migration of your own where the application's user may not create tables.
 *
 * @example
 * export class FileMigration1764000000000 implements MigrationInterface {
 *   up(runner: QueryRunner) { return createMigrationTables(runner) }
 *   down(runner: QueryRunner) { return dropMigrationTables(runner) }
 * }
 */
export async function createMigrationTables(runner: QueryRunner): Promise<void> {
  const { type } = runner.connection.options
  const family =
    type === 'postgres' ? 'postgres' : type === 'mysql' || type === 'mariadb' ? 'mysql' : 'sqlite'
  for (const table of [journalTable(family), cursorTable(family)]) await createOnce(runner, table)
}

/** Two processes may start at the same moment. */
async function createOnce(runner: QueryRunner, table: Table): Promise<void> {
  try {
    await runner.createTable(table, true)
  } catch (error) {
    if (runner.isTransactionActive || !(await runner.hasTable(table.name))) throw error
  }
}

/** Drops what {@link createMigrationTables} made. Nothing can be rolled back or pruned after it. */
export async function dropMigrationTables(runner: QueryRunner): Promise<void> {
  await runner.dropTable(CURSOR_TABLE, true)
  await runner.dropTable(JOURNAL_TABLE, true)
}

function journalTable(family: Dialect['family']): Table {
  const long = { type: family === 'mysql' ? 'longtext' : 'text' }
  return new Table({
    name: JOURNAL_TABLE,
    columns: [
      ...cellColumns(family),
      { name: 'row_id', ...word(family, 500), isPrimary: true },
      { name: 'state', ...word(family, 8) },
      { name: 'runner', ...word(family, 36), isNullable: true },
      { name: 'lease_until', type: 'bigint', isNullable: true },
      { name: 'attempts', type: 'int' },
      { name: 'error', ...long, isNullable: true },
      { name: 'old_text', ...long },
      { name: 'new_text', ...long, isNullable: true },
      { name: 'updated_at', type: 'bigint' },
    ],
    indices: [{ columnNames: ['table_name', 'column_name', 'target', 'state', 'row_id'] }],
  })
}

function cursorTable(family: Dialect['family']): Table {
  return new Table({
    name: CURSOR_TABLE,
    columns: [
      ...cellColumns(family),
      { name: 'filter', ...word(family, 64), isPrimary: true },
      { name: 'last_id', type: 'text', isNullable: true },
      { name: 'is_done', type: 'int' },
      { name: 'updated_at', type: 'bigint' },
    ],
  })
}

/** Whose cells move where: a table and its column, since several entities may share them. */
function cellColumns(family: Dialect['family']): TableColumnOptions[] {
  return [
    { name: 'table_name', ...word(family, 192), isPrimary: true },
    { name: 'column_name', ...word(family, 64), isPrimary: true },
    { name: 'target', ...word(family, 64), isPrimary: true },
  ]
}

/** Text that is compared byte by byte. */
function word(family: Dialect['family'], length: number): Omit<TableColumnOptions, 'name'> {
  const type = { type: 'varchar', length: String(length) }
  if (family === 'postgres') return { ...type, collation: 'C' }
  return family === 'mysql' ? { type: 'varbinary', length: String(length) } : type
}
