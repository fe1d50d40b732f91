import type { EntitySubscriberInterface, QueryRunner } from 'typeorm'
import type { Storage } from '../core/storage.js'
import { Claims } from './claims.js'
import { EntityFiles } from './entity-files.js'
import type { FileEntities } from './file-metadata.js'
import type { LedgerStatements } from './ledger-statements.js'
import { OpenClaims } from './open-claims.js'
import { Rollbacks } from './rollbacks.js'
import { Turns } from './turns.js'

/** What watches the rows of one DataSource. */
export interface FileSubscribers {
  /** One for each entity with files, and one that hears of transactions. */
  readonly subscribers: readonly EntitySubscriberInterface[]
  /** For writes that no hook announces. */
  readonly claims: Claims
}

/**
 * Makes the subscribers of one DataSource.
 *
 * @param lease in milliseconds
 */
export function fileSubscribers(
  storage: Storage,
  entities: FileEntities,
  statements: LedgerStatements,
  lease: number,
): FileSubscribers {
  const { ownPool } = statements.dialect
  const rollbacks = new Rollbacks()
  const open = new OpenClaims(statements, lease, rollbacks)
  const claims = new Claims(storage, statements, open, rollbacks)
  const turns = { shared: !ownPool, rollbacks }
  const before = new Turns(turns, (runner, work) => claims.before(runner, work))
  const after = new Turns(turns, (runner, work) => claims.after(runner, work))
  const context = { before, after, rollbacks, rowLocks: ownPool }
  const subscribers = [
    ...[...entities].map(([metadata, columns]) => new EntityFiles(metadata, columns, context)),
    new TransactionEnds(open),
  ]
  return { subscribers, claims }
}

/** Never throws: it only drops what was meant for a transaction that is over. */
class TransactionEnds implements EntitySubscriberInterface {
  readonly #open: OpenClaims

  constructor(open: OpenClaims) {
    this.#open = open
  }

  beforeTransactionRollback({ queryRunner }: { queryRunner: QueryRunner }): void {
    this.#open.awaitRollback(queryRunner)
  }

  afterTransactionCommit({ queryRunner }: { queryRunner: QueryRunner }): void {
    if (!queryRunner.isTransactionActive) this.#open.forgetTransaction(queryRunner)
  }
}
