import type { EntitySubscriberInterface, QueryRunner } from 'typeorm'
import type { Storage } from '../core/storage.js'
import { Claims } from './claims.js'
import { ConflictInserts } from './conflict-inserts.js'
import { EntityFiles } from './entity-files.js'
import type { FileEntities } from './file-metadata.js'
import type { LedgerSql } from './ledger-sql.js'
import type { ReleasedFiles } from './reaper/released-files.js'
import { Rollbacks } from './rollbacks.js'
import { SoughtRows } from './sought-rows.js'
import { StatementClaims } from './statement-claims.js'
import { Turns } from './turns.js'

/** What keeps the rows of one DataSource true: its hooks, and what stands around its statements. */
export interface FileKeepers {
  readonly subscribers: readonly EntitySubscriberInterface[]
  readonly statements: StatementClaims
  /** For writes that no hook announces row by row. */
  readonly claims: Claims
}

/** What {@link fileKeepers} needs of the ledger. */
export interface FileKeepersContext {
  readonly sql: LedgerSql
  /** In milliseconds. */
  readonly lease: number
  readonly released: ReleasedFiles
}

export function fileKeepers(
  storage: Storage,
  entities: FileEntities,
  { sql, lease, released }: FileKeepersContext,
): FileKeepers {
  const { ownPool } = sql.dialect
  const rollbacks = new Rollbacks()
  const claims = new Claims(storage, sql, lease, rollbacks, released)
  const conflicts = new ConflictInserts(claims, sql.dialect)
  const sought = new SoughtRows(rollbacks)
  const statements = new StatementClaims({ claims, conflicts, dialect: sql.dialect, rollbacks, sought })
  const turns = { shared: !ownPool, rollbacks }
  const context = {
    before: new Turns(turns, async () => {}),
    after: new Turns(turns, (runner, work) => claims.release(runner, work)),
    statements,
    conflicts,
    rollbacks,
    sought,
    rowLocks: ownPool,
  }
  const hooks = [...entities].map(([metadata, columns]) => new EntityFiles(metadata, columns, context))
  return { subscribers: [...hooks, new TransactionEnds(released)], statements, claims }
}

/** Never throws: it only passes on what transactions gave up. */
class TransactionEnds implements EntitySubscriberInterface {
  readonly #released: ReleasedFiles

  constructor(released: ReleasedFiles) {
    this.#released = released
  }

  afterTransactionCommit({ queryRunner }: { queryRunner: QueryRunner }): void {
    // A savepoint's end is not yet the end.
    if (!queryRunner.isTransactionActive) this.#released.committed(queryRunner)
  }

  afterTransactionRollback({ queryRunner }: { queryRunner: QueryRunner }): void {
    if (!queryRunner.isTransactionActive) this.#released.rolledBack(queryRunner)
  }
}
