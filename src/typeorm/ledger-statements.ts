import type { EntityMetadata, QueryRunner } from 'typeorm'
import { StorageError } from '../core/errors.js'
import type { StageEntry } from '../core/ledger.js'
import type { Dialect } from './dialect.js'

/** One SQL statement with its parameters. */
export interface Statement {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

/** The key of a line. */
export type LineKey = Pick<StageEntry, 'backend' | 'objectKey'>

/** Makes the SQL of the ledger, for one database and table. Each statement is a transition of lines. */
export class LedgerStatements {
  readonly dialect: Dialect
  readonly #table: string
  readonly #parameter: (index: number) => string

  constructor(dialect: Dialect, metadata: EntityMetadata) {
    const { driver } = metadata.dataSource ?? metadata.connection
    this.dialect = dialect
    this.#table = metadata.tablePath
      .split('.')
      .map(part => driver.escape(part))
      .join('.')
    this.#parameter = index => driver.createParameter(`p${index}`, index)
  }

  /** A new line, pending under a lease of `lease` milliseconds. */
  stage(entry: StageEntry, lease: number): Statement {
    const { now, insert } = this.dialect
    return this.#build(
      p => `${insert} ${this.#table}
(backend, object_key, disk, tenant, state, expires_at, attempts, created_at, updated_at)
VALUES (${p(entry.backend)}, ${p(entry.objectKey)}, ${p(entry.disk)}, ${p(entry.tenant)}, 'pending', ${now} + ${p(lease)}, 0, ${now}, ${now})`,
    )
  }

  /** A pending line's lease, begun anew. */
  renew(key: LineKey, lease: number): Statement {
    return this.#update([key], ['pending'], p => `expires_at = ${this.dialect.now} + ${p(lease)}`)
  }

  recordMultipart(key: LineKey, uploadId: string): Statement {
    return this.#update([key], ['pending'], p => `upload_id = ${p(uploadId)}`)
  }

  /** The upload is complete; the lease begins anew, so that the handler has time to save. */
  confirm(key: LineKey, size: number, lease: number): Statement {
    return this.#update(
      [key],
      ['pending'],
      p => `size = ${p(size)}, upload_id = NULL, expires_at = ${this.dialect.now} + ${p(lease)}`,
    )
  }

  abandon(key: LineKey): Statement {
    return this.#build(p => `DELETE FROM ${this.#table} WHERE ${where([key], p)} AND state = 'pending'`)
  }

  /** pending → attached: each line must be hit, that is the fencing. */
  claim(keys: readonly LineKey[]): Statement {
    const { sql, parameters } = this.#update(keys, ['pending'], () => `state = 'attached', expires_at = NULL`)
    const returning = keys.length > 1 ? ' RETURNING backend, object_key' : ''
    return { sql: sql + returning, parameters }
  }

  /** attached → pending: a claim whose row was never written. */
  giveBack(keys: readonly LineKey[], lease: number): Statement {
    return this.#update(
      keys,
      ['attached'],
      p => `state = 'pending', expires_at = ${this.dialect.now} + ${p(lease)}`,
    )
  }

  /** pending → delete: from here on nobody can claim the object. */
  condemn(key: LineKey): Statement {
    return this.#update([key], ['pending', 'delete'], () => `state = 'delete', expires_at = NULL`)
  }

  /** Drops the line of an object that is deleted. */
  forget(key: LineKey): Statement {
    return this.#build(p => `DELETE FROM ${this.#table} WHERE ${where([key], p)} AND state = 'delete'`)
  }

  /** These objects are to be deleted, whether the ledger knew them or not. */
  queueDelete(entries: readonly StageEntry[]): Statement {
    const { now, onDuplicate } = this.dialect
    return this.#build(p => {
      const lines = entries.map(
        ({ backend, objectKey, disk, tenant }) =>
          `(${p(backend)}, ${p(objectKey)}, ${p(disk)}, ${p(tenant)}, 'delete', 0, ${now}, ${now})`,
      )
      return `INSERT INTO ${this.#table} (backend, object_key, disk, tenant, state, attempts, created_at, updated_at)
VALUES ${lines.join(', ')}
${onDuplicate} state = 'delete', expires_at = NULL, attempts = 0, error = NULL, updated_at = ${now}`
    })
  }

  #update(
    keys: readonly LineKey[],
    from: readonly string[],
    set: (p: (value: unknown) => string) => string,
  ): Statement {
    const states = from.map(state => `'${state}'`).join(', ')
    return this.#build(
      p =>
        `UPDATE ${this.#table} SET ${set(p)}, updated_at = ${this.dialect.now} WHERE ${where(keys, p)} AND state IN (${states})`,
    )
  }

  /** Builds from left to right: where parameters have no numbers, their order must be that of the text. */
  #build(write: (p: (value: unknown) => string) => string): Statement {
    const parameters: unknown[] = []
    const sql = write(value => {
      parameters.push(value)
      return this.#parameter(parameters.length - 1)
    })
    return { sql, parameters }
  }
}

function where(keys: readonly LineKey[], p: (value: unknown) => string): string {
  const lines = keys.map(
    ({ backend, objectKey }) => `(backend = ${p(backend)} AND object_key = ${p(objectKey)})`,
  )
  return `(${lines.join(' OR ')})`
}

/** What a statement did. */
export interface Outcome {
  /** How many lines it hit. */
  readonly hit: number
  /** What it returned, where it asked for that. */
  readonly rows: readonly Record<string, unknown>[]
}

/**
 * Runs a statement of the ledger.
 *
 * @throws ERR_CONFIG when the table is missing, and TypeORM's errors
 */
export async function execute(runner: QueryRunner, statement: Statement): Promise<Outcome> {
  try {
    const { affected, records } = await runner.query(statement.sql, [...statement.parameters], true)
    return { hit: affected ?? 0, rows: records }
  } catch (cause) {
    throw isMissingTable(cause) ? missingTable(cause) : cause
  }
}

function isMissingTable(error: unknown): boolean {
  // TypeORM 0.3 lets better-sqlite3's own error through.
  const { driverError = error } = error as { driverError?: unknown }
  const { code, errno, message } = driverError as Record<string, unknown>
  return code === '42P01' || errno === 1146 || /no such table/i.test(String(message ?? ''))
}

function missingTable(cause: unknown): StorageError {
  return new StorageError(
    'ERR_CONFIG',
    'The table of the file ledger is missing. Create it with a migration (npx typeorm migration:generate sees it), or with synchronize in development.',
    { cause },
  )
}
