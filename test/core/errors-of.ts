import { StorageError, type StorageErrorCode } from '../../src/core/errors.js'

/** The code a call fails with, synchronously or not; `none` when it succeeds. Anything but a StorageError is thrown on. */
export async function codeOf(run: () => unknown): Promise<StorageErrorCode | 'none'> {
  try {
    await run()
    return 'none'
  } catch (error) {
    if (StorageError.is(error)) return error.code
    throw error
  }
}

/** As {@link codeOf}, for calls that must throw at once. */
export function thrownCode(run: () => unknown): StorageErrorCode | 'none' {
  try {
    run()
    return 'none'
  } catch (error) {
    if (StorageError.is(error)) return error.code
    throw error
  }
}
