import type { StageEntry } from '../core/ledger.js'
import type { Dialect } from './dialect.js'
import type { LedgerSql, Statement } from './ledger-sql.js'
import type { Fate } from './work.js'

const DAY = 86_400_000

/** What the line of a released file is set to. */
export function releaseSet(dialect: Dialect, fate: Fate): string {
  const { state, until } = endOf(dialect, fate)
  return `state = '${state}', expires_at = ${until}, attempts = 0, error = NULL, updated_at = ${dialect.now}`
}

/** These objects have no row any more, whether the ledger knew them or not. */
export function release(sql: LedgerSql, entries: readonly StageEntry[], fate: Fate): Statement {
  const { now, onDuplicate } = sql.dialect
  const { state, until } = endOf(sql.dialect, fate)
  return sql.build(p => {
    const lines = p.lines(
      { backend: 'text', objectKey: 'text', disk: 'text', tenant: 'text' },
      entries,
      value =>
        `${value('backend')}, ${value('objectKey')}, ${value('disk')}, ${value('tenant')}, '${state}', ${until}, 0, ${now}, ${now}`,
    )
    return `INSERT INTO ${sql.table} (backend, object_key, disk, tenant, state, expires_at, attempts, created_at, updated_at)
${lines}
${onDuplicate} ${releaseSet(sql.dialect, fate)}`
  })
}

function endOf({ now }: Dialect, fate: Fate): { state: string; until: string } {
  const state = fate === 'delete' ? 'delete' : 'kept'
  return { state, until: typeof fate === 'object' ? `${now} + ${fate.days * DAY}` : 'NULL' }
}
