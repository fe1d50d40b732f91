import { StorageError } from '../core/errors.js'

/** @throws ERR_LEDGER_BUSY for what the database says; StorageErrors come through */
export async function orBusy<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    if (StorageError.is(cause)) throw cause
    const message = 'The database of the file ledger did not take the statement.'
    throw new StorageError('ERR_LEDGER_BUSY', message, { operation: 'ledger', cause })
  }
}
