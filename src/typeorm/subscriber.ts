import type { EntitySubscriberInterface } from 'typeorm'
import type { Storage } from '../core/storage.js'
import { Claims } from './claims.js'
import { EntityFiles } from './entity-files.js'
import type { FileEntities } from './file-metadata.js'
import type { LedgerSql } from './ledger-sql.js'
import { Rollbacks } from './rollbacks.js'
import { StatementClaims } from './statement-claims.js'
import { Turns } from './turns.js'

/** What keeps the rows of one DataSource true: its hooks, and what stands around its statements. */
export interface FileKeepers {
  readonly subscribers: readonly EntitySubscriberInterface[]
  readonly statements: StatementClaims
}

/** @param lease in milliseconds */
export function fileKeepers(
  storage: Storage,
  entities: FileEntities,
  sql: LedgerSql,
  lease: number,
): FileKeepers {
  const { ownPool } = sql.dialect
  const rollbacks = new Rollbacks()
  const claims = new Claims(storage, sql, lease, rollbacks)
  const statements = new StatementClaims(claims, sql.dialect, rollbacks)
  const turns = { shared: !ownPool, rollbacks }
  const context = {
    before: new Turns(turns, async () => {}),
    after: new Turns(turns, (runner, work) => claims.release(runner, work)),
    statements,
    rollbacks,
    rowLocks: ownPool,
  }
  const subscribers = [...entities].map(([metadata, columns]) => new EntityFiles(metadata, columns, context))
  return { subscribers, statements }
}
