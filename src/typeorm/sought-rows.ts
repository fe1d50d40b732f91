import type { EntityMetadata, ObjectLiteral, QueryRunner } from 'typeorm'
import type { Rollbacks } from './rollbacks.js'
import { tableOf } from './table-of.js'

/** A row that a hook looked for by its primary key. */
interface SoughtRow {
  readonly table: string
  readonly key: readonly string[]
  /** Whether nothing was rolled back since. */
  readonly stands: () => boolean
}

interface Sought {
  readonly there: Set<SoughtRow>
  readonly gone: Set<SoughtRow>
}

// What is looked for and never written would pile up on SQLite, which has one query runner for all time.
const MAX_SOUGHT = 20_000

/**
 * What hooks found when they looked for the row of an UPDATE or DELETE. A row that was there is locked. One that was gone
 * may be written anew before the statement, since no lock keeps others from an INSERT (PostgreSQL): then the statement
 * would hit a row whose files nobody has read.
 */
export class SoughtRows {
  readonly #rollbacks: Rollbacks
  readonly #sought = new WeakMap<QueryRunner, Sought>()

  constructor(rollbacks: Rollbacks) {
    this.#rollbacks = rollbacks
  }

  /** To be called by a hook that has looked for a row under a lock. */
  note(runner: QueryRunner, metadata: EntityMetadata, id: unknown, found: object | undefined): void {
    const sought = this.#sought.get(runner) ?? { there: new Set(), gone: new Set() }
    this.#sought.set(runner, sought)
    const rows = found === undefined ? sought.gone : sought.there
    const ids: ObjectLiteral = metadata.ensureEntityIdMap(id)
    const key = metadata.primaryColumns.map(column => String(column.getEntityValue(ids, true)))
    rows.add({ table: tableOf(metadata), key, stands: this.#rollbacks.watch(runner) })
    for (const oldest of rows) if (rows.size > MAX_SOUGHT) rows.delete(oldest)
  }

  /** How many rows a statement may hit; undefined where all rows that it names were there. */
  mostHitBy(runner: QueryRunner, sql: string, parameters: unknown): number | undefined {
    const sought = this.#sought.get(runner)
    const [verb] = /^(UPDATE|DELETE FROM) /.exec(sql) ?? []
    if (sought === undefined || verb === undefined) return undefined
    if (sought.gone.size === 0) {
      // An operation looks for all of its rows before its first statement.
      if (verb.startsWith('DELETE')) sought.there.clear()
      return undefined
    }
    const named = new Set(namedIn(sql, parameters))
    const isNamed = ({ table, key }: SoughtRow) =>
      sql.startsWith(`${verb}${table} `) && key.every(value => named.has(value))
    const gone = take(sought.gone, isNamed)
    const there = take(sought.there, isNamed)
    return gone === 0 ? undefined : there
  }
}

/** Takes out what is named, and what a rollback has undone; returns how many of the first. */
function take(rows: Set<SoughtRow>, isNamed: (row: SoughtRow) => boolean): number {
  let count = 0
  for (const row of rows) {
    const stands = row.stands()
    if (stands && !isNamed(row)) continue
    rows.delete(row)
    if (stands) count++
  }
  return count
}

/** The values in the condition of a statement that TypeORM built. */
function namedIn(sql: string, parameters: unknown): string[] {
  if (!Array.isArray(parameters)) return []
  const condition = sql.slice(sql.lastIndexOf(' WHERE '))
  const numbered = [...condition.matchAll(/\$(\d+)/g)].map(([, number]) => parameters[Number(number) - 1])
  const unnumbered = condition.split('?').length - 1
  const last = unnumbered === 0 ? [] : parameters.slice(-unnumbered)
  // For SQLite, TypeORM writes numbers into the statement.
  const written = condition.match(/(?<![\w$"])-?\d+\b/g) ?? []
  return [...numbered, ...last, ...written].map(String)
}
