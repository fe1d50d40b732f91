import type { ColumnMetadata } from './file-metadata.js'

/** What TypeORM and PostgreSQL call a time that is written in the zone of whoever asks. */
const ZONED: readonly unknown[] = ['timestamptz', 'timestamp with time zone']

/**
 * SQL for a part of a primary key as text, which is the same in every session: a number or a time would be another
 * text as JavaScript's, and PostgreSQL writes a moment as the clocks of the session's time zone show it.
 *
 * @param expression the column, as the statement calls it
 */
export function keyText({ type, entityMetadata }: ColumnMetadata, expression: string): string {
  const { options } = entityMetadata.dataSource ?? entityMetadata.connection
  if (options.type === 'mysql' || options.type === 'mariadb') return `CAST(${expression} AS CHAR)`
  if (options.type !== 'postgres' || !ZONED.includes(type)) return `CAST(${expression} AS TEXT)`
  return `(CAST(${expression} AT TIME ZONE 'UTC' AS TEXT) || '+00')`
}
