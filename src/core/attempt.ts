import type { StorageError } from './errors.js'

/**
 * One try of a call, and what ends it early. An AbortSignal costs more than all else of a small request (Node 20), so
 * there is one only for those who need it: the SDKs.
 */
export class Attempt {
  #reason: StorageError | undefined
  #controller: AbortController | undefined
  #onStop: ((reason: StorageError) => void) | undefined

  /** Why it is over; undefined while it goes on. */
  get reason(): StorageError | undefined {
    return this.#reason
  }

  /** The same as a signal. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  /** The same for one listener, in the place of the one before; undefined for none. It is not told of what was before. */
  set onStop(listener: ((reason: StorageError) => void) | undefined) {
    this.#onStop = listener
  }

  /** Only the first reason counts. */
  stop(reason: StorageError): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#onStop?.(reason)
    this.#controller?.abort(reason)
  }
}
