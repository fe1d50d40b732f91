import type { EntitySubscriberInterface, QueryRunner } from 'typeorm'
import type { Storage } from '../core/storage.js'
import { Claims } from './claims.js'
import { EntityFiles } from './entity-files.js'
import type { FileEntities } from './file-metadata.js'
import type { LedgerStatements } from './ledger-statements.js'
import { OpenClaims } from './open-claims.js'
import type { ReleasedFiles } from './reaper/released-files.js'
import { Rollbacks } from './rollbacks.js'
import { Turns } from './turns.js'

/**
 * The subscribers of one DataSource: one for each entity with files, and one that hears of transactions.
 *
 * @param lease in milliseconds
 */
export function fileSubscribers(
  storage: Storage,
  entities: FileEntities,
  statements: LedgerStatements,
  lease: number,
  released: ReleasedFiles,
): EntitySubscriberInterface[] {
  const { ownPool } = statements.dialect
  const rollbacks = new Rollbacks()
  const open = new OpenClaims(statements, lease, rollbacks)
  const claims = new Claims(storage, statements, open, rollbacks, released)
  const turns = { shared: !ownPool, rollbacks }
  const before = new Turns(turns, (runner, work) => claims.before(runner, work))
  const after = new Turns(turns, (runner, work) => claims.after(runner, work))
  const context = { before, after, rollbacks, rowLocks: ownPool }
  return [
    ...[...entities].map(([metadata, columns]) => new EntityFiles(metadata, columns, context)),
    new TransactionEnds(open, released),
  ]
}

/** Never throws: it drops what was meant for a transaction that is over, and says what it gave up. */
class TransactionEnds implements EntitySubscriberInterface {
  readonly #open: OpenClaims
  readonly #released: ReleasedFiles

  constructor(open: OpenClaims, released: ReleasedFiles) {
    this.#open = open
    this.#released = released
  }

  beforeTransactionRollback({ queryRunner }: { queryRunner: QueryRunner }): void {
    this.#open.awaitRollback(queryRunner)
  }

  afterTransactionCommit({ queryRunner }: { queryRunner: QueryRunner }): void {
    if (queryRunner.isTransactionActive) return // a savepoint
    this.#open.forgetTransaction(queryRunner)
    this.#released.committed(queryRunner)
  }

  afterTransactionRollback({ queryRunner }: { queryRunner: QueryRunner }): void {
    if (!queryRunner.isTransactionActive) this.#released.rolledBack(queryRunner)
  }
}
