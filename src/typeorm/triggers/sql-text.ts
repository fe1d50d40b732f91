import { createHash } from 'node:crypto'

/** A text as a literal of SQL, in databases that take backslashes for what they are (the standard's strings). */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** PostgreSQL cuts longer names off, and two of them would become one; the suffixes need some bytes too. */
const MAX_NAME = 48

/** What the triggers of a table, and the functions below them, are called; suffixes follow. */
export function triggerName(table: string): string {
  const name = `files_of_${table}`
  if (Buffer.byteLength(name) <= MAX_NAME) return name
  const short = /^[\w-]{0,30}/.exec(name)?.[0] ?? ''
  return `${short}_${digestOf(table)}`
}

/** Short, and another one for every other text. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}
