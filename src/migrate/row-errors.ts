import { StorageError } from '../core/errors.js'

/** Why a row was copied in vain. */
export function stale(): StorageError {
  return new StorageError(
    'ERR_LEASE_LOST',
    'The place of the copy was taken again and again while it was made. Run the migration again.',
  )
}

/** Why a row that was copied could not be switched. */
export function locked(): StorageError {
  return new StorageError(
    'ERR_BUSY',
    'Other transactions held the lock of this row all the time. Run the migration again.',
  )
}
