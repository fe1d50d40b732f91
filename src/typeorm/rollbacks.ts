import type { QueryRunner } from 'typeorm'
import { StorageError } from '../core/errors.js'

/**
 * Knows of rollbacks. An operation that nobody waits for goes on meanwhile, and what
 * it sends then runs behind the ROLLBACK, on the same connection and in no transaction.
 */
export class Rollbacks {
  readonly #counts = new WeakMap<QueryRunner, number>()

  /** To be called in the moment in which a ROLLBACK is sent. */
  note(runner: QueryRunner): void {
    this.#counts.set(runner, this.#countOf(runner) + 1)
  }

  /** @returns a function that tells whether nothing was rolled back on this connection since */
  watch(runner: QueryRunner): () => boolean {
    const count = this.#countOf(runner)
    return () => this.#countOf(runner) === count
  }

  #countOf(runner: QueryRunner): number {
    return this.#counts.get(runner) ?? 0
  }
}

/** For an operation whose transaction was rolled back while it was under way. */
export function rolledBack(): StorageError {
  return new StorageError(
    'ERR_FILE_STALE',
    'The transaction was rolled back while this was being saved. Wait for every save before its transaction ends.',
  )
}
