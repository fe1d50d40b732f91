import { StorageError, type StorageErrorCode } from '../core/errors.js'

/** Cells that may fail one after the other before it is the backend, and not they. */
const LIMIT = 50

// The text in the row names no file: nothing is wrong with the backend.
const OF_THE_ROW: readonly StorageErrorCode[] = ['ERR_BACKEND_UNKNOWN', 'ERR_DISK_UNKNOWN']

/** Ends a migration whose backend is down, full or denies everything, so that not every row has to fail for it. */
export class Circuit {
  #failures = 0
  #code: StorageErrorCode | undefined

  /** Why it ended; undefined while it goes on. */
  get stoppedBy(): StorageErrorCode | undefined {
    return this.#code
  }

  succeeded(): void {
    this.#failures = 0
  }

  failed(error: unknown): void {
    if (!StorageError.is(error) || error.status < 500 || OF_THE_ROW.includes(error.code)) return
    if (++this.#failures >= LIMIT) this.#code ??= error.code
  }
}
