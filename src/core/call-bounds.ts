import { setTimeout as sleep } from 'node:timers/promises'
import { abortError } from './abort.js'
import { Attempt } from './attempt.js'
import type { BackendCall } from './backend-calls.js'
import { StorageError } from './errors.js'

/**
 * What ends one call: its caller, the time for all of its tries, and the time for each of them.
 *
 * There is one timer at a time. With a signal for the call and one for each try that listened to each other, an upload of
 * 100 KiB spent a tenth of its processor time on signals and timers alone.
 */
export class CallBounds {
  readonly #call: BackendCall
  readonly #end: number
  #reason: StorageError | undefined
  #stopTry: ((reason: StorageError) => void) | undefined
  #timer: NodeJS.Timeout | undefined

  /** @param time milliseconds for everything */
  constructor(call: BackendCall, time: number) {
    this.#call = call
    this.#end = performance.now() + time
    call.signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (call.signal?.aborted) this.#onAbort()
  }

  /** Why the whole call is over; undefined while it goes on. */
  get reason(): StorageError | undefined {
    return this.#reason
  }

  /** Runs one try. It rejects as soon as the call or its own time is over, whatever `send` does. */
  try<T>(send: (attempt: Attempt) => Promise<T>, time: number): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#reason !== undefined) throw this.#reason
      const attempt = new Attempt()
      this.#stopTry = reason => {
        reject(reason)
        attempt.stop(reason)
      }
      const left = this.#end - performance.now()
      clearTimeout(this.#timer)
      this.#timer =
        left < time
          ? setTimeout(() => this.#stop(timeoutError(this.#call)), left)
          : setTimeout(() => this.#stopTry?.(timeoutError(this.#call)), time)
      send(attempt).then(resolve, reject)
    })
  }

  /** Waits, unless the call is over before. */
  pause(milliseconds: number): Promise<void> {
    return this.try(({ signal }) => sleep(milliseconds, undefined, { signal }), Number.POSITIVE_INFINITY)
  }

  release(): void {
    clearTimeout(this.#timer)
    this.#call.signal?.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => this.#stop(abortError(this.#call.signal, this.#call))

  #stop(reason: StorageError): void {
    this.#reason ??= reason
    this.#stopTry?.(this.#reason)
  }
}

function timeoutError({ operation, key }: BackendCall): StorageError {
  return new StorageError('ERR_BACKEND_TIMEOUT', 'The storage did not answer in time.', { operation, key })
}
