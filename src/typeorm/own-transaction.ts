import type { QueryRunner } from 'typeorm'

// Somebody else may be in the way once more, but hardly again and again.
const MAX_TRIES = 5

/**
 * Runs work in a transaction of its own, or in a savepoint where one is active.
 *
 * @param mayRepeat whether what ended with this error is to be tried again, some times
 */
export async function inOwnTransaction<T>(
  runner: QueryRunner,
  work: () => Promise<T>,
  mayRepeat: (error: unknown) => boolean,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    await runner.startTransaction()
    try {
      const result = await work()
      await runner.commitTransaction()
      return result
    } catch (error) {
      // A rollback that fails is the end of the connection; the first error is the one to know.
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => {})
      if (!mayRepeat(error) || tries === MAX_TRIES) throw error
    }
  }
}
