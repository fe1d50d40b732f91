import { StorageError, type StorageErrorDetails } from './errors.js'

/**
 * Why an operation was given up, as the one error class: the signal's own reason where it is a StorageError, so
 * that a limit stays a limit on its way through a driver.
 */
export function abortError(
  signal: AbortSignal | undefined,
  { operation, key }: Pick<StorageErrorDetails, 'operation' | 'key'> = {},
): StorageError {
  const cause: unknown = signal?.reason
  if (StorageError.is(cause)) return cause
  return new StorageError('ERR_UPLOAD_ABORTED', 'The operation was aborted.', { operation, key, cause })
}

/** @throws ERR_CONFIG for what is no signal, such as its controller */
export function assertSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined || typeof signal?.addEventListener === 'function') return
  throw new StorageError('ERR_CONFIG', 'signal is an AbortSignal, such as the signal of an AbortController.')
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

/** Rejects with the signal's reason as soon as it aborts, whatever `promise` does. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    const release = () => signal.removeEventListener('abort', onAbort)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    // Heard in any case: whichever loses the race may reject later.
    promise.then(
      value => {
        release()
        resolve(value)
      },
      error => {
        release()
        reject(error)
      },
    )
  })
}
