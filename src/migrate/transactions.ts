import { setTimeout as sleep } from 'node:timers/promises'
import type { EntityManager, QueryRunner } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { isDeadlock } from '../typeorm/database-errors.js'
import type { OpenBinding } from '../typeorm/files-binding.js'
import { OneByOne } from '../typeorm/one-by-one.js'

const TRIES = 5
/** Milliseconds. */
const PAUSE = 200
const LOOK_AGAIN = 5
const MAX_WAIT = 5000

/** Transactions on the application's own connections, so that rows, ledger and journal change together. */
export class Transactions {
  readonly #binding: OpenBinding
  readonly #line = new OneByOne()

  constructor(binding: OpenBinding) {
    this.#binding = binding
  }

  /** Runs `work` in a transaction, anew after a deadlock. @throws ERR_LEDGER_BUSY, and the database's errors */
  async run<T>(work: (runner: QueryRunner) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(work)
      } catch (error) {
        if (attempt === TRIES || !isDeadlock(error)) throw error
        await sleep(Math.random() * PAUSE * attempt)
      }
    }
  }

  #once<T>(work: (runner: QueryRunner) => Promise<T>): Promise<T> {
    const { dataSource, sql } = this.#binding
    const run = ({ queryRunner }: EntityManager) => work(queryRunner as QueryRunner)
    if (sql.dialect.ownPool) return dataSource.transaction('READ COMMITTED', run)
    // SQLite has one connection: nobody may begin a transaction in the middle of another.
    return this.#line.run('migration', async () => {
      const runner = dataSource.createQueryRunner()
      const deadline = performance.now() + MAX_WAIT
      while (runner.isTransactionActive) {
        if (performance.now() > deadline)
          throw new StorageError('ERR_LEDGER_BUSY', 'SQLite has one connection, and a transaction holds it.')
        await sleep(LOOK_AGAIN)
      }
      // Nothing is waited for between the look and the beginning, or somebody else could begin as well.
      return dataSource.transaction(run)
    })
  }
}
