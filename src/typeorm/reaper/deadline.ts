import { setMaxListeners } from 'node:events'
import { StorageError } from '../../core/errors.js'

/** A signal that aborts after a time, or as soon as one of `stops` does. To be cleared when the work is done. */
export class Deadline {
  readonly #end = new AbortController()
  readonly #stops: readonly AbortSignal[]
  readonly #timer: NodeJS.Timeout

  /** @param time in milliseconds */
  constructor(time: number, stops: readonly AbortSignal[]) {
    // Many deletions listen to it at the same time.
    setMaxListeners(0, this.#end.signal)
    this.#stops = stops
    this.#timer = setTimeout(() => this.#end.abort(tooLong(time)), time)
    for (const stop of stops) stop.addEventListener('abort', this.#onStop)
    if (this.isStopped) this.#onStop()
  }

  get signal(): AbortSignal {
    return this.#end.signal
  }

  /** Whether it was one of `stops`. */
  get isStopped(): boolean {
    return this.#stops.some(({ aborted }) => aborted)
  }

  clear(): void {
    clearTimeout(this.#timer)
    for (const stop of this.#stops) stop.removeEventListener('abort', this.#onStop)
  }

  readonly #onStop = () => this.#end.abort(this.#stops.find(({ aborted }) => aborted)?.reason)
}

function tooLong(time: number): StorageError {
  return new StorageError('ERR_BACKEND_TIMEOUT', `The storage took longer than ${time / 1000} seconds.`)
}
