import type { QueryRunner } from 'typeorm'
import type { StageEntry } from '../core/ledger.js'
import { chunks } from '../typeorm/chunks.js'
import { execute } from '../typeorm/execute.js'
import {
  byBackend,
  type LedgerSql,
  type LineKey,
  type Place,
  type Statement,
  whereKeys,
} from '../typeorm/ledger-sql.js'
import { release, releaseSet } from '../typeorm/release-statements.js'
import type { Fate } from '../typeorm/work.js'

// Lines in one statement; databases and their planners take far more.
const CHUNK = 200

/** What is read of a line. */
const LINE = 'backend, object_key, state, created_at, updated_at'

/** A line of the ledger for an object that a move is about to make, or has made. */
export interface TargetEntry extends StageEntry {
  /** In bytes; null where only the bytes know. */
  readonly size: number | null
}

/** How a line is, locked until the end of the transaction. */
export interface LockedLine extends LineKey {
  readonly state: string
  /** In milliseconds since 1970, by the database's clock, as the next one. */
  readonly createdAt: number
  readonly updatedAt: number
}

/** What became of lines that were to be written, by their names. */
export interface StagedLines {
  /** Not free: they belong to a row, or their object is being deleted. */
  readonly taken: ReadonlySet<string>
  /** Left by an earlier try, which may have made its object. */
  readonly older: ReadonlySet<string>
}

/** The name of a line, for maps. */
export function nameOf({ backend, objectKey }: LineKey): string {
  return `${backend}/${objectKey}`
}

/** The ledger's side of a move. The statements join the transaction of the runner they are given. */
export class TargetLines {
  readonly #sql: LedgerSql

  constructor(sql: LedgerSql) {
    this.#sql = sql
  }

  /**
   * Writes the lines of new objects down before their first byte. One that an earlier try left is taken over. One that is
   * kept, as of the old bytes where a file moves back, stays so until its row is switched: whatever becomes of this run, a
   * lease must not end it, for somebody may need the object still.
   *
   * @param lease in milliseconds
   */
  async stage(runner: QueryRunner, entries: readonly TargetEntry[], lease: number): Promise<StagedLines> {
    const taken = new Set<string>()
    const older = new Set<string>()
    for (const some of chunks(entries, CHUNK)) {
      const { rows } = await execute(runner, this.#stage(some, lease))
      const staged = new Map(rows.map(lineOf).map(line => [nameOf(line), line]))
      const unknown = some.filter(entry => !staged.has(nameOf(entry)))
      for (const [name, line] of [...staged, ...(await this.lock(runner, unknown))]) {
        if (line.state !== 'pending' && line.state !== 'kept') taken.add(name)
        else if (line.createdAt !== line.updatedAt) older.add(name)
      }
    }
    return { taken, older }
  }

  /** The states of lines, locked until the end of the transaction. */
  async states(runner: QueryRunner, keys: readonly LineKey[]): Promise<Map<string, string>> {
    const lines = await this.lock(runner, keys)
    return new Map([...lines].map(([name, { state }]) => [name, state]))
  }

  /** Those of these lines that are there, by their names. */
  async lock(runner: QueryRunner, keys: readonly LineKey[]): Promise<Map<string, LockedLine>> {
    const lines = new Map<string, LockedLine>()
    for (const some of chunks(keys, CHUNK)) {
      const { table, dialect } = this.#sql
      const statement = this.#sql.build(
        p =>
          `SELECT ${LINE} FROM ${table} WHERE ${whereKeys(some, p)} ORDER BY backend, object_key${dialect.ownPool ? ' FOR UPDATE' : ''}`,
      )
      const { rows } = await execute(runner, statement)
      for (const line of rows.map(lineOf)) lines.set(nameOf(line), line)
    }
    return lines
  }

  /**
   * Makes lines of objects that are there and that nobody has written down: `kept`, so that whatever becomes of this run,
   * nothing deletes them.
   */
  async note(runner: QueryRunner, entries: readonly TargetEntry[]): Promise<void> {
    const { table, dialect } = this.#sql
    const { insert, end } = dialect.insertAbsent
    // In one order, so that two runners do not wait for each other.
    const sorted = unique(entries).sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1))
    for (const some of chunks(sorted, CHUNK)) {
      const statement = this.#sql.build(p => {
        const lines = some.map(
          ({ backend, objectKey, disk, tenant, size }) =>
            `(${p(backend)}, ${p(objectKey)}, ${p(disk)}, ${p(tenant)}, 'kept', ${p(size)}, NULL, 0, ${dialect.now}, ${dialect.now})`,
        )
        return `${insert} ${table} (backend, object_key, disk, tenant, state, size, expires_at, attempts, created_at, updated_at)
VALUES ${lines.join(', ')}${end}`
      })
      await execute(runner, statement)
    }
  }

  /** Begins the leases of pending lines anew. */
  async renew(runner: QueryRunner, keys: readonly LineKey[], lease: number): Promise<void> {
    const { now } = this.#sql.dialect
    for (const some of chunks(keys, CHUNK))
      await execute(
        runner,
        this.#update(some, 'pending', p => `expires_at = ${now} + ${p(lease)}`),
      )
  }

  /** Lines of objects that rows hold from now on. They must be locked, and in the state `from`. */
  async attach(
    runner: QueryRunner,
    entries: readonly TargetEntry[],
    from: 'pending' | 'kept' | 'attached',
  ): Promise<void> {
    for (const group of byBackend(entries).values()) {
      for (const some of chunks(group, CHUNK)) {
        const set = (p: Place) => `${sizes(some, p)}state = 'attached', expires_at = NULL, upload_id = NULL`
        await execute(runner, this.#update(some, from, set))
      }
    }
  }

  /** Objects that no row holds any more, and that stay until they are pruned, or for some days. */
  async keep(runner: QueryRunner, entries: readonly StageEntry[], fate: Fate = 'keep'): Promise<void> {
    for (const some of chunks(unique(entries), CHUNK)) await execute(runner, release(this.#sql, some, fate))
  }

  /** Complete copies that no row will point to; a line that a row has by now stays. */
  async giveUp(runner: QueryRunner, keys: readonly LineKey[]): Promise<void> {
    await this.#condemn(runner, keys, 'pending')
  }

  /** Objects that were kept, and are to be deleted. */
  async discard(runner: QueryRunner, keys: readonly LineKey[]): Promise<void> {
    await this.#condemn(runner, keys, 'kept')
  }

  /** Forgets lines of objects that are not ours: whoever gives them up would delete what somebody else put there. */
  async forget(runner: QueryRunner, keys: readonly LineKey[]): Promise<void> {
    for (const some of chunks(unique(keys), CHUNK))
      await execute(
        runner,
        this.#sql.build(
          p => `DELETE FROM ${this.#sql.table} WHERE ${whereKeys(some, p)} AND state = 'pending'`,
        ),
      )
  }

  async #condemn(runner: QueryRunner, keys: readonly LineKey[], from: 'pending' | 'kept'): Promise<void> {
    const set = releaseSet(this.#sql.dialect, 'delete')
    for (const some of chunks(unique(keys), CHUNK))
      await execute(
        runner,
        this.#sql.build(
          p => `UPDATE ${this.#sql.table} SET ${set} WHERE ${whereKeys(some, p)} AND state = '${from}'`,
        ),
      )
  }

  #stage(entries: readonly TargetEntry[], lease: number): Statement {
    const { table, dialect } = this.#sql
    // One moment for a statement: a line whose two times are the same was not there before.
    const { nowOfStatement: now, onDuplicate, family } = dialect
    return this.#sql.build(p => {
      const lines = p.lines(
        { backend: 'text', objectKey: 'text', disk: 'text', tenant: 'text', size: 'bigint' },
        entries,
        value =>
          `${value('backend')}, ${value('objectKey')}, ${value('disk')}, ${value('tenant')}, 'pending', ${value('size')}, ${now} + ${p(lease)}, 0, ${now}, ${now}`,
      )
      const insert = `INSERT INTO ${table} (backend, object_key, disk, tenant, state, size, expires_at, attempts, created_at, updated_at)
${lines}
${onDuplicate}`
      // PostgreSQL tells which lines it wrote; the states of the others are asked for.
      const told = family === 'postgres' ? ` RETURNING ${LINE}` : ''
      if (family !== 'mysql')
        return `${insert} state = 'pending', expires_at = excluded.expires_at, attempts = 0, error = NULL, updated_at = ${now} WHERE ${table}.state = 'pending'${told}`
      const [until, at] = ['expires_at', 'updated_at'].map(
        column => `${column} = IF(state = 'pending', VALUES(${column}), ${column})`,
      )
      return `${insert} ${until}, ${at}`
    })
  }

  #update(keys: readonly LineKey[], from: string, set: (p: Place) => string): Statement {
    const { table, dialect } = this.#sql
    return this.#sql.build(
      p =>
        `UPDATE ${table} SET ${set(p)}, updated_at = ${dialect.now} WHERE ${whereKeys(keys, p)} AND state = '${from}'`,
    )
  }
}

function lineOf(row: Record<string, unknown>): LockedLine {
  return {
    ...{ backend: String(row.backend), objectKey: String(row.object_key), state: String(row.state) },
    ...{ createdAt: Number(row.created_at), updatedAt: Number(row.updated_at) },
  }
}

/** What the lines of one backend get to know of their objects' sizes. */
function sizes(entries: readonly TargetEntry[], p: Place): string {
  const known = entries.filter(({ size }) => size !== null).map(each => [each.objectKey, each.size] as const)
  return known.length === 0 ? '' : `size = COALESCE(${p.valueBy('object_key', known, 'bigint')}, size), `
}

/** The same line twice in one statement is an error to PostgreSQL. */
function unique<T extends LineKey>(entries: readonly T[]): T[] {
  return [...new Map(entries.map(entry => [nameOf(entry), entry])).values()]
}
