import type { DataSource, EntityMetadata } from 'typeorm'
import type { StageEntry } from '../core/ledger.js'
import type { Dialect } from './dialect.js'
import { makePlace, type Place } from './place.js'

export type { Place }

/** One SQL statement with its parameters. */
export interface Statement {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

/** The key of a line. */
export type LineKey = Pick<StageEntry, 'backend' | 'objectKey'>

/** Builds from left to right: where parameters have no numbers, their order must be that of the text. */
export function buildStatement(driver: DataSource['driver'], write: (p: Place) => string): Statement {
  const parameters: unknown[] = []
  const sql = write(makePlace(driver, parameters))
  return { sql, parameters }
}

/** The name of a table, with its schema, quoted. */
export function quotedTable(driver: DataSource['driver'], path: string): string {
  return path
    .split('.')
    .map(part => driver.escape(part))
    .join('.')
}

/** What all statements of the ledger are made with: its table, and the database's ways of writing. */
export class LedgerSql {
  readonly dialect: Dialect
  /** The ledger's table, quoted. */
  readonly table: string
  readonly #driver: DataSource['driver']

  constructor(dialect: Dialect, metadata: EntityMetadata) {
    this.#driver = (metadata.dataSource ?? metadata.connection).driver
    this.dialect = dialect
    this.table = quotedTable(this.#driver, metadata.tablePath)
  }

  build(write: (p: Place) => string): Statement {
    return buildStatement(this.#driver, write)
  }
}

/** The condition that picks these lines. */
export function whereKeys(keys: readonly LineKey[], p: Place): string {
  const conditions = [...byBackend(keys)].map(([backend, some]) => {
    const objectKeys = some.map(({ objectKey }) => objectKey)
    return `(backend = ${p(backend)} AND object_key ${p.oneOf(objectKeys)})`
  })
  return `(${conditions.join(' OR ')})`
}

/** Lines together with those of the same backend. */
export function byBackend<T extends LineKey>(lines: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const line of lines) {
    const group = groups.get(line.backend)
    if (group === undefined) groups.set(line.backend, [line])
    else group.push(line)
  }
  return groups
}
