import { createHash } from 'node:crypto'
import type { DataSource, ObjectLiteral, QueryRunner } from 'typeorm'
import type { Dialect } from '../typeorm/dialect.js'
import { execute, type Outcome } from '../typeorm/execute.js'
import { buildStatement, type Place, quotedTable } from '../typeorm/ledger-sql.js'
import type { JournalScope } from './journal.js'
import { CURSOR_TABLE } from './journal-table.js'
import type { OneColumn } from './one-column.js'
import type { MigrateOptions } from './options.js'

/** How far the walk through a table is. */
export interface CursorState {
  /** The last row that was looked at. */
  readonly lastId: readonly string[] | undefined
  readonly isDone: boolean
}

/**
 * The one place in a table's primary key that all runners of a migration share: whoever holds its lock takes the next
 * page, so no two of them read the same rows.
 */
export class SharedCursor {
  readonly #driver: DataSource['driver']
  readonly #dialect: Dialect
  readonly #table: string
  readonly #key: readonly [table: string, column: string, target: string, filter: string]

  /** @param filter {@link walkOf}; another one is another walk */
  constructor(dataSource: DataSource, dialect: Dialect, scope: JournalScope, filter: unknown) {
    this.#driver = dataSource.driver
    this.#dialect = dialect
    this.#table = quotedTable(dataSource.driver, CURSOR_TABLE)
    const digest = createHash('sha256').update(JSON.stringify(filter, spelledOut)).digest('hex')
    this.#key = [scope.table, scope.column, scope.target, digest]
  }

  /** Goes on with a walk that was left off, and begins a new one where the last is done. */
  async open(runner: QueryRunner): Promise<void> {
    const { now, family } = this.#dialect
    const ignore = family === 'mysql' ? 'INSERT IGNORE INTO' : 'INSERT INTO'
    const conflict = family === 'mysql' ? '' : 'ON CONFLICT DO NOTHING'
    await this.#run(
      runner,
      p =>
        `${ignore} ${this.#table} (table_name, column_name, target, filter, last_id, is_done, updated_at) VALUES (${this.#key.map(p).join(', ')}, NULL, 0, ${now}) ${conflict}`,
    )
    await this.#run(
      runner,
      p =>
        `UPDATE ${this.#table} SET last_id = NULL, is_done = 0, updated_at = ${now} WHERE ${this.#here(p)} AND is_done = 1`,
    )
  }

  /** Where the walk is, locked until the end of the transaction. */
  async lock(runner: QueryRunner): Promise<CursorState> {
    const { rows } = await this.#run(
      runner,
      p =>
        `SELECT last_id, is_done FROM ${this.#table} WHERE ${this.#here(p)}${this.#dialect.ownPool ? ' FOR UPDATE' : ''}`,
    )
    const [row] = rows
    const lastId = row?.last_id
    return {
      lastId: typeof lastId === 'string' ? JSON.parse(lastId) : undefined,
      isDone: row === undefined || Number(row.is_done) === 1,
    }
  }

  async advance(runner: QueryRunner, { lastId, isDone }: CursorState): Promise<void> {
    await this.#run(
      runner,
      p =>
        `UPDATE ${this.#table} SET last_id = ${p(lastId === undefined ? null : JSON.stringify(lastId))}, is_done = ${isDone ? 1 : 0}, updated_at = ${this.#dialect.now} WHERE ${this.#here(p)}`,
    )
  }

  #here(p: Place): string {
    const [table, column, target, filter] = this.#key
    return `table_name = ${p(table)} AND column_name = ${p(column)} AND target = ${p(target)} AND filter = ${p(filter)}`
  }

  #run(runner: QueryRunner, write: (p: Place) => string): Promise<Outcome> {
    return execute(runner, buildStatement(this.#driver, write))
  }
}

/** What narrows the walk of a migration. */
export function walkOf(
  { entity }: Pick<OneColumn, 'entity'>,
  { from, tenant, where }: Pick<MigrateOptions<ObjectLiteral>, 'from' | 'tenant' | 'where'>,
): unknown {
  return { entity, from, tenant, where }
}

/** What JSON forgets: the functions of TypeORM's `Raw`, and large numbers. */
function spelledOut(_key: string, value: unknown): unknown {
  return typeof value === 'function' || typeof value === 'bigint' ? String(value) : value
}
