import type { DataSource, QueryRunner } from 'typeorm'
import type { Dialect } from '../typeorm/dialect.js'
import { execute, type Outcome } from '../typeorm/execute.js'
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
  readonly entity: string
  readonly property: string
  readonly target: string
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

  /** The rows among these that another runner is working on just now. */
  async busy(runner: QueryRunner, rowIds: readonly string[]): Promise<Set<string>> {
    const { rows } = await this.#run(
      runner,
      p =>
        `SELECT row_id FROM ${this.#table} WHERE ${this.#here(p)} AND row_id IN (${rowIds.map(p).join(', ')}) AND state = 'moving' AND lease_until >= ${this.#dialect.now}`,
    )
    return new Set(rows.map(row => String(row.row_id)))
  }

  /** Takes rows for a runner. @param lease in milliseconds */
  async take(runner: QueryRunner, worker: string, entries: readonly Entry[], lease: number): Promise<void> {
    if (entries.length === 0) return
    const { entity, property, target } = this.#scope
    const { now, family } = this.#dialect
    const given = (column: string) => (family === 'mysql' ? `VALUES(${column})` : `excluded.${column}`)
    const columns = ['target', 'state', 'runner', 'lease_until', 'old_text', 'updated_at']
    const conflict =
      family === 'mysql' ? 'ON DUPLICATE KEY UPDATE' : 'ON CONFLICT (entity, property, row_id) DO UPDATE SET'
    await this.#run(runner, p => {
      const lines = entries.map(
        ({ rowId, oldText, attempts }) =>
          `(${p(entity)}, ${p(property)}, ${p(rowId)}, ${p(target)}, 'moving', ${p(worker)}, ${now} + ${p(lease)}, ${p(attempts)}, ${p(oldText)}, ${now})`,
      )
      return `INSERT INTO ${this.#table} (entity, property, row_id, target, state, runner, lease_until, attempts, old_text, updated_at)
VALUES ${lines.join(', ')}
${conflict} attempts = ${given('attempts')}, error = NULL, new_text = NULL, ${columns.map(column => `${column} = ${given(column)}`).join(', ')}`
    })
  }

  /** Rows whose runner has died. */
  async abandoned(runner: QueryRunner, limit: number): Promise<Entry[]> {
    const { rows } = await this.#run(
      runner,
      p => `SELECT row_id, old_text, new_text, attempts FROM ${this.#table}
WHERE ${this.#here(p)} AND target = ${p(this.#scope.target)} AND state = 'moving' AND lease_until < ${this.#dialect.now}
ORDER BY row_id LIMIT ${limit}${this.#dialect.ownPool ? ' FOR UPDATE SKIP LOCKED' : ''}`,
    )
    return rows.map(entryOf)
  }

  /** How many rows other runners are working on. */
  async movingElsewhere(runner: QueryRunner, worker: string): Promise<number> {
    const { rows } = await this.#run(
      runner,
      p =>
        `SELECT COUNT(*) AS n FROM ${this.#table} WHERE ${this.#here(p)} AND target = ${p(this.#scope.target)} AND state = 'moving' AND runner <> ${p(worker)}`,
    )
    return Number(rows[0]?.n)
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

  /** Those of a runner's rows that are still its own, locked: a runner that slept too long has lost them. */
  async mine(runner: QueryRunner, worker: string, rowIds: readonly string[]): Promise<Set<string>> {
    const { rows } = await this.#run(
      runner,
      p =>
        `SELECT row_id FROM ${this.#table} WHERE ${this.#here(p)} AND row_id IN (${rowIds.map(p).join(', ')}) AND state = 'moving' AND runner = ${p(worker)} ORDER BY row_id${this.#dialect.ownPool ? ' FOR UPDATE' : ''}`,
    )
    return new Set(rows.map(row => String(row.row_id)))
  }

  /** Lines in one of these states that were written at least `age` milliseconds ago, in the order of their rows. */
  async *inState(
    runner: QueryRunner,
    states: readonly JournalState[],
    { age = 0, page = 200 } = {},
  ): AsyncGenerator<Entry[]> {
    let after = ''
    for (;;) {
      const { rows } = await this.#run(
        runner,
        p => `SELECT row_id, old_text, new_text, attempts FROM ${this.#table}
WHERE ${this.#here(p)} AND target = ${p(this.#scope.target)} AND state IN (${states.map(p).join(', ')}) AND updated_at <= ${this.#dialect.now} - ${p(age)} AND row_id > ${p(after)}
ORDER BY row_id LIMIT ${page}`,
      )
      const entries = rows.map(entryOf)
      if (entries.length > 0) yield entries
      if (entries.length < page) return
      after = entries.at(-1)?.rowId ?? after
    }
  }

  /** Locks lines that are in a state still. */
  async lock(runner: QueryRunner, state: JournalState, rowIds: readonly string[]): Promise<Entry[]> {
    const { rows } = await this.#run(
      runner,
      p =>
        `SELECT row_id, old_text, new_text, attempts FROM ${this.#table} WHERE ${this.#here(p)} AND row_id IN (${rowIds.map(p).join(', ')}) AND state = ${p(state)} ORDER BY row_id${this.#dialect.ownPool ? ' FOR UPDATE' : ''}`,
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
      const cases = rows.filter(row => value(row) !== undefined)
      if (cases.length === 0) return otherwise
      return `CASE row_id ${cases.map(row => `WHEN ${p(row.rowId)} THEN ${p(value(row))}`).join(' ')} ELSE ${otherwise} END`
    }
    await this.#run(
      runner,
      p =>
        `UPDATE ${this.#table} SET state = ${p(state)}, runner = NULL, lease_until = NULL, new_text = ${pick(p, row => row.newText, 'new_text')}, error = ${pick(p, row => row.error, 'NULL')}, attempts = attempts + ${state === 'failed' ? 1 : 0}, updated_at = ${this.#dialect.now} WHERE ${this.#here(p)} AND row_id IN (${rows.map(row => p(row.rowId)).join(', ')})`,
    )
  }

  #here(p: Place): string {
    return `entity = ${p(this.#scope.entity)} AND property = ${p(this.#scope.property)}`
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
