import { StorageError } from './errors.js'

/** Looks for an object that must not be there. @throws ERR_FILE_EXISTS when it is, and what else `head` throws */
export async function assertAbsent(
  head: () => Promise<unknown>,
  place: { operation: string; key: string },
): Promise<void> {
  try {
    await head()
  } catch (error) {
    if (StorageError.is(error, 'ERR_FILE_NOT_FOUND')) return
    throw error
  }
  throw new StorageError('ERR_FILE_EXISTS', 'There is a file under this key already.', place)
}
