import { StorageError } from './errors.js'

/**
 * Why an operation was given up, as the one error class: the signal's own reason where it is a StorageError, so
 * that a limit stays a limit on its way through a driver.
 */
export function abortError(signal: AbortSignal): StorageError {
  return StorageError.is(signal.reason)
    ? signal.reason
    : new StorageError('ERR_UPLOAD_ABORTED', 'The operation was aborted.', { cause: signal.reason })
}

/** Throws {@link abortError} when the signal has been aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal)
}

/** What a driver rejects with when the body it was given fails: the body's own StorageError, or ERR_UPLOAD_ABORTED. */
export function bodyError(cause: unknown): StorageError {
  return StorageError.is(cause)
    ? cause
    : new StorageError('ERR_UPLOAD_ABORTED', 'The body of the upload ended early.', { cause })
}
