import type { DataSource, QueryRunner } from 'typeorm'
import type { Dialect } from '../typeorm/dialect.js'
import { execute, type Outcome } from '../typeorm/execute.js'
import type { FileColumnMetadata } from '../typeorm/file-metadata.js'
import { buildStatement, type Place, quotedTable } from '../typeorm/ledger-sql.js'
import { JOURNAL_TABLE, type JournalState } from './journal-table.js'

/** One file column of one row, as the journal keeps it. */
export interface Entry {
  /** The row's primary key: {@link rowIdOf}. */
  readonly rowId: string
  /** What the column held when the move began. */
  readonly oldText: string
  /** What it holds after the move. */
  readonly newText: string | null
  readonly attempts: number
}

/** What a journal is about. */
export interface JournalScope {
  /** With its schema. */
  readonly table: string
  readonly column: string
  /** The backend that is moved to. */
  readonly target: string
}

/** @param target the backend that is moved to */
export function scopeOf({ column }: FileColumnMetadata, target: string): JournalScope {
  return { table: column.entityMetadata.tablePath, column: column.databaseName, target }
}

/** The primary key as it is written down. */
export function rowIdOf(id: readonly string[]): string {
  return JSON.stringify(id)
}

/** @see rowIdOf */
export function idOf(rowId: string): readonly string[] {
  return JSON.parse(rowId)
}

/** The state of a migration, one line for each file column of a row; its statements join the caller's transaction. */
export class Journal {
  readonly #scope: JournalScope
  readonly #dialect: Dialect
  readonly #driver: DataSource['driver']
  readonly #table: string

  constructor(dataSource: DataSource, dialect: Dialect, scope: JournalScope) {
    this.#scope = scope
    this.#dialect = dialect
    this.#driver = dataSource.driver
    this.#table = quotedTable(dataSource.driver, JOURNAL_TABLE)
  }

  /** Which of these rows somebody is working on just now, or has moved, whatever the target. */
  async standing(
    runner: QueryRunner,
    rowIds: readonly string[],
  ): Promise<Record<'moving' | 'moved', ReadonlySet<string>>> {
    const found = { moving: new Set<string>(), moved: new Set<string>() }
    if (rowIds.length === 0) return found
    const { rows } = await this.#run(
      runner,
      p =>
        `SELECT row_id, state FROM ${this.#table} WHERE ${this.#cells(p)} AND row_id ${p.oneOf(rowIds)} AND (state = 'moved' OR state = 'moving' AND lease_until >= ${this.#dialect.now})`,
    )
    // MariaDB gives states as bytes.
    for (const row of rows) found[String(row.state) === 'moved' ? 'moved' : 'moving'].add(String(row.row_id))
    return found
  }

  /** Takes rows for a runner. @param lease in milliseconds */
  async take(runner: QueryRunner, worker: string, entries: readonly Entry[], lease: number): Promise<void> {
    if (entries.length === 0) return
    const { table, column, target } = this.#scope
    const { now, family } = this.#dialect
    const given = (column: string) => (family === 'mysql' ? `VALUES(${column})` : `excluded.${column}`)
    const columns = ['state', 'runner', 'lease_until', 'old_text', 'updated_at']
    const conflict =
      family === 'mysql'
        ? 'ON DUPLICATE KEY UPDATE'
        : 'ON CONFLICT (table_name, column_name, target, row_id) DO UPDATE SET'
    await this.#run(runner, p => {
      const lines = p.lines(
        { rowId: 'text', attempts: 'bigint', oldText: 'text' },
        entries,
        value =>
          `${p(table)}, ${p(column)}, ${p(target)}, ${value('rowId')}, 'moving', ${p(worker)}, ${now} + ${p(lease)}, ${value('attempts')}, ${value('oldText')}, ${now}`,
      )
      return `INSERT INTO ${this.#table} (table_name, column_name, target, row_id, state, runner, lease_until, attempts, old_text, updated_at)
${lines}
${conflict} attempts = ${given('attempts')}, error = NULL, new_text = NULL, ${columns.map(name => `${name} = ${given(name)}`).join(', ')}`
    })
  }

  /** Rows behind `after` whose runner has died, or has let go of them. */
  async abandoned(runner: QueryRunner, after: string, limit: number): Promise<Entry[]> {
    const { rows } = await this.#run(
      runner,
      p => `SELECT row_id, old_text, new_text, attempts FROM ${this.#table}
WHERE ${this.#here(p)} AND state = 'moving' AND lease_until < ${this.#dialect.now} AND row_id > ${p(after)}
ORDER BY row_id LIMIT ${limit}${this.#dialect.ownPool ? ' FOR UPDATE SKIP LOCKED' : ''}`,
    )
    return rows.map(entryOf)
  }

  /** How many rows other runners are working on just now. */
  async movingElsewhere(runner: QueryRunner, worker: string): Promise<number> {
    const { rows } = await this.#run(
      runner,
      p =>
        `SELECT COUNT(*) AS n FROM ${this.#table} WHERE ${this.#here(p)} AND state = 'moving' AND runner <> ${p(worker)} AND lease_until >= ${this.#dialect.now}`,
    )
    return Number(rows[0]?.n)
  }

  /** How many rows there are in each state. */
  async states(runner: QueryRunner): Promise<Map<string, number>> {
    const { rows } = await this.#run(
      runner,
      p => `SELECT state, COUNT(*) AS n FROM ${this.#table} WHERE ${this.#here(p)} GROUP BY state`,
    )
    return new Map(rows.map(row => [String(row.state), Number(row.n)]))
  }

  /** Whether any runner is at work just now, on whatever rows. */
  async isAnyoneMoving(runner: QueryRunner): Promise<boolean> {
    const { rows } = await this.#run(
      runner,
      () =>
        `SELECT row_id FROM ${this.#table} WHERE state = 'moving' AND lease_until >= ${this.#dialect.now} LIMIT 1`,
    )
    return rows.length > 0
  }

  /** Begins the leases of a runner anew. */
  async renew(runner: QueryRunner, worker: string, lease: number): Promise<void> {
    const { now } = this.#dialect
    await this.#run(
      runner,
      p =>
        `UPDATE ${this.#table} SET lease_until = ${now} + ${p(lease)} WHERE ${this.#here(p)} AND runner = ${p(worker)} AND state = 'moving'`,
    )
  }

  /** Lets go of some rows, so that they are tried again, by this runner or another. */
  async letGo(runner: QueryRunner, worker: string, rowIds: readonly string[]): Promise<void> {
    if (rowIds.length === 0) return
    await this.#run(
      runner,
      p =>
        `UPDATE ${this.#table} SET lease_until = 0, runner = NULL WHERE ${this.#here(p)} AND row_id ${p.oneOf(rowIds)} AND runner = ${p(worker)} AND state = 'moving'`,
    )
  }

  /** Those of a runner's rows that are still its own, locked: a runner that slept too long has lost them. */
  async mine(runner: QueryRunner, worker: string, rowIds: readonly string[]): Promise<Set<string>> {
    if (rowIds.length === 0) return new Set()
    const { rows } = await this.#run(
      runner,
      p =>
        `SELECT row_id FROM ${this.#table} WHERE ${this.#here(p)} AND row_id ${p.oneOf(rowIds)} AND state = 'moving' AND runner = ${p(worker)} ORDER BY row_id${this.#dialect.ownPool ? ' FOR UPDATE' : ''}`,
    )
    return new Set(rows.map(row => String(row.row_id)))
  }

  /** The next lines in a state, in the order of their rows. */
  async page(
    runner: QueryRunner,
    state: JournalState,
    { after, age = 0, limit }: { after: string; age?: number; limit: number },
  ): Promise<Entry[]> {
    const { rows } = await this.#run(
      runner,
      p => `SELECT row_id, old_text, new_text, attempts FROM ${this.#table}
WHERE ${this.#here(p)} AND state = ${p(state)} AND updated_at <= ${this.#dialect.now} - ${p(age)} AND row_id > ${p(after)}
ORDER BY row_id LIMIT ${limit}`,
    )
    return rows.map(entryOf)
  }

  /** Locks lines that are in a state still. */
  async lock(runner: QueryRunner, state: JournalState, rowIds: readonly string[]): Promise<Entry[]> {
    if (rowIds.length === 0) return []
    const { rows } = await this.#run(
      runner,
      p =>
        `SELECT row_id, old_text, new_text, attempts FROM ${this.#table} WHERE ${this.#here(p)} AND row_id ${p.oneOf(rowIds)} AND state = ${p(state)} ORDER BY row_id${this.#dialect.ownPool ? ' FOR UPDATE' : ''}`,
    )
    return rows.map(entryOf)
  }

  /** Writes down how rows ended. */
  async end(
    runner: QueryRunner,
    state: JournalState,
    rows: readonly { rowId: string; newText?: string; error?: string }[],
  ): Promise<void> {
    if (rows.length === 0) return
    const pick = (
      p: Place,
      value: (row: { newText?: string; error?: string }) => string | undefined,
      otherwise: string,
    ) => {
      const pairs = rows.filter(row => value(row) !== undefined).map(row => [row.rowId, value(row)] as const)
      return pairs.length === 0 ? otherwise : `COALESCE(${p.valueBy('row_id', pairs, 'text')}, ${otherwise})`
    }
    await this.#run(
      runner,
      p =>
        `UPDATE ${this.#table} SET state = ${p(state)}, runner = NULL, lease_until = NULL, new_text = ${pick(p, row => row.newText, 'new_text')}, error = ${pick(p, row => row.error, 'NULL')}, attempts = attempts + ${state === 'failed' ? 1 : 0}, updated_at = ${this.#dialect.now} WHERE ${this.#here(p)} AND row_id ${p.oneOf(rows.map(row => row.rowId))}`,
    )
  }

  #here(p: Place): string {
    return `${this.#cells(p)} AND target = ${p(this.#scope.target)}`
  }

  /** Those of all targets. */
  #cells(p: Place): string {
    return `table_name = ${p(this.#scope.table)} AND column_name = ${p(this.#scope.column)}`
  }

  #run(runner: QueryRunner, write: (p: Place) => string): Promise<Outcome> {
    return execute(runner, buildStatement(this.#driver, write))
  }
}

function entryOf(row: Record<string, unknown>): Entry {
  return {
    rowId: String(row.row_id),
    oldText: String(row.old_text),
    newText: row.new_text === null ? null : String(row.new_text),
    attempts: Number(row.attempts),
  }
}
