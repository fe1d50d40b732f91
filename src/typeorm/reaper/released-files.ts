import type { QueryRunner } from 'typeorm'
import type { LineKey } from '../ledger-sql.js'

/**
 * Remembers what a transaction has given up, and says so after its commit. Only to be quick: what a rolled-back
 * savepoint gave up is named too, and what a transaction without an end gave up is not. Who is told looks at the
 * committed lines, and the reaper finds the rest.
 */
export class ReleasedFiles {
  readonly #keys = new WeakMap<QueryRunner, LineKey[]>()
  readonly #tell: (keys: readonly LineKey[]) => void

  /** @param tell must not throw: it runs in the hooks of transactions */
  constructor(tell: (keys: readonly LineKey[]) => void) {
    this.#tell = tell
  }

  /** To be called when the lines are marked. */
  add(runner: QueryRunner, keys: readonly LineKey[]): void {
    if (!runner.isTransactionActive) {
      this.#tell(keys)
      return
    }
    const known = this.#keys.get(runner)
    if (known === undefined) this.#keys.set(runner, [...keys])
    else known.push(...keys)
  }

  /** To be called after the commit of a whole transaction, not of a savepoint. */
  committed(runner: QueryRunner): void {
    const keys = this.#keys.get(runner)
    this.#keys.delete(runner)
    if (keys !== undefined) this.#tell(keys)
  }

  /** To be called after the rollback of a whole transaction. */
  rolledBack(runner: QueryRunner): void {
    this.#keys.delete(runner)
  }
}
