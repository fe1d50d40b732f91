import type { EntityMetadata } from 'typeorm'
import type { Dialect } from '../typeorm/dialect.js'
import type { ColumnMetadata } from '../typeorm/file-metadata.js'
import type { Place } from '../typeorm/ledger-sql.js'

/** The primary key of a row as texts, one for each of its columns; no driver rounds or reshapes a text. */
export type RowId = readonly string[]

type Kind = 'bytes' | 'whole' | 'text'

/** Reads and compares primary keys of any kind as texts. */
export class RowIds {
  readonly columns: readonly ColumnMetadata[]
  readonly #family: Dialect['family']
  readonly #kinds: readonly Kind[]

  constructor(metadata: EntityMetadata, { family }: Dialect) {
    this.columns = metadata.primaryColumns
    this.#family = family
    this.#kinds = this.columns.map(kindOf)
  }

  /** The SQL that gives the text of key column `index`. */
  text(index: number, expression: string): string {
    if (this.#kinds[index] === 'bytes')
      return this.#family === 'postgres' ? `encode(${expression}, 'hex')` : `HEX(${expression})`
    return `CAST(${expression} AS ${this.#family === 'mysql' ? 'CHAR' : 'TEXT'})`
  }

  /** The SQL that makes the value of key column `index` of its text. */
  value(index: number, placeholder: string): string {
    const kind = this.#kinds[index]
    if (kind === 'bytes') {
      if (this.#family === 'postgres') return `decode(${placeholder}, 'hex')`
      return `UNHEX(${placeholder})`
    }
    // MySQL would compare a number with a text as floating point.
    return kind === 'whole' && this.#family === 'mysql' ? `CAST(${placeholder} AS DECIMAL(20))` : placeholder
  }

  /** The condition that picks these rows, on columns that are written as `name` says. */
  among(ids: readonly RowId[], name: (column: ColumnMetadata) => string, p: Place): string {
    const rows = ids.map(id => {
      const parts = this.columns.map((column, index) => `${name(column)} = ${this.value(index, p(id[index]))}`)
      return parts.length === 1 ? parts[0] : `(${parts.join(' AND ')})`
    })
    return `(${rows.join(' OR ')})`
  }
}

function kindOf({ type }: ColumnMetadata): Kind {
  if (type === Buffer || /^(bytea|blob|tinyblob|mediumblob|longblob|binary|varbinary)$/.test(String(type))) return 'bytes'
  if (type === Number || /int|serial/.test(String(type))) return 'whole'
  return 'text'
}
