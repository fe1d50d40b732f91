import type { EntitySubscriberInterface, QueryRunner } from 'typeorm'
import type { Storage } from '../core/storage.js'
import { Claims } from './claims.js'
import { EntityFiles } from './entity-files.js'
import type { FileEntities } from './file-metadata.js'
import type { LedgerStatements } from './ledger-statements.js'
import { OpenClaims } from './open-claims.js'
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
): EntitySubscriberInterface[] {
  const { ownPool } = statements.dialect
  const open = new OpenClaims(statements, lease)
  const claims = new Claims(storage, statements, open)
  const before = new Turns({ shared: !ownPool }, (runner, work) => claims.before(runner, work))
  const after = new Turns({ shared: !ownPool }, (runner, work) => claims.after(runner, work))
  const context = { before, after, rowLocks: ownPool }
  return [
    ...[...entities].map(([metadata, columns]) => new EntityFiles(metadata, columns, context)),
    new TransactionEnds([before, after], open),
  ]
}

/** Decides nothing and never throws: it only drops what was meant for a transaction that is over. */
class TransactionEnds implements EntitySubscriberInterface {
  readonly #turns: readonly Turns[]
  readonly #open: OpenClaims

  constructor(turns: readonly Turns[], open: OpenClaims) {
    this.#turns = turns
    this.#open = open
  }

  // Before, not after: a statement that is sent now would run behind the ROLLBACK, in no transaction.
  beforeTransactionRollback({ queryRunner }: { queryRunner: QueryRunner }): void {
    for (const turns of this.#turns) turns.cancel(queryRunner)
    this.#open.forgetTransaction(queryRunner)
  }

  afterTransactionCommit({ queryRunner }: { queryRunner: QueryRunner }): void {
    if (!queryRunner.isTransactionActive) this.#open.forgetTransaction(queryRunner)
  }
}
