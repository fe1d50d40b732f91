import type { EntityMetadata } from 'typeorm'
import type { StageEntry } from '../core/ledger.js'
import type { Dialect } from './dialect.js'

/** One SQL statement with its parameters. */
export interface Statement {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

/** The key of a line. */
export type LineKey = Pick<StageEntry, 'backend' | 'objectKey'>

/** Stands for a value in a statement: gives the placeholder of the database. */
export type Place = (value: unknown) => string

/** What all statements of the ledger are made with: its table, and the database's ways of writing. */
export class LedgerSql {
  readonly dialect: Dialect
  /** The ledger's table, quoted. */
  readonly table: string
  readonly #parameter: (index: number) => string

  constructor(dialect: Dialect, metadata: EntityMetadata) {
    const { driver } = metadata.dataSource ?? metadata.connection
    this.dialect = dialect
    this.table = metadata.tablePath
      .split('.')
      .map(part => driver.escape(part))
      .join('.')
    this.#parameter = index => driver.createParameter(`p${index}`, index)
  }

  /** Builds from left to right: where parameters have no numbers, their order must be that of the text. */
  build(write: (p: Place) => string): Statement {
    const parameters: unknown[] = []
    const sql = write(value => {
      parameters.push(value)
      return this.#parameter(parameters.length - 1)
    })
    return { sql, parameters }
  }
}

/** The condition that picks these lines. */
export function whereKeys(keys: readonly LineKey[], p: Place): string {
  const lines = keys.map(
    ({ backend, objectKey }) => `(backend = ${p(backend)} AND object_key = ${p(objectKey)})`,
  )
  return `(${lines.join(' OR ')})`
}
