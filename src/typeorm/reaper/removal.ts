import { StorageError } from '../../core/errors.js'
import type { TakenLine } from './taken-lines.js'

/** How objects are removed. */
export interface RemoveOptions {
  /** Requests at the same time to one backend. */
  readonly concurrency: number
  readonly signal: AbortSignal
}

/** Why the objects of some lines could not be removed. */
export type Failures = Map<TakenLine, StorageError>

/** What a line's failure is called. */
export function toFailure(cause: unknown, { backend, objectKey }: TakenLine): StorageError {
  if (StorageError.is(cause)) return cause
  const details = { backend, operation: 'delete', key: objectKey, cause }
  return new StorageError('ERR_BACKEND', 'The object could not be deleted.', details)
}
