import { setTimeout as sleep } from 'node:timers/promises'
import type { ContainerClient } from '@azure/storage-blob'
import { abortError, throwIfAborted, untilAborted } from '../../core/abort.js'
import { StorageError } from '../../core/errors.js'
import { isTransient, toStorageError } from './azure-errors.js'
import type { AzureLimits } from './options.js'

export interface Call {
  operation: string
  key?: string
  signal?: AbortSignal
  /** Bytes to send; they get the time that a slow line needs. */
  bytes?: number
  /** A request that Azure may work on for minutes: copying, putting blocks together. */
  slow?: boolean
  /** Milliseconds for everything, retries included, instead of what follows from the options. */
  within?: number
}

/** The slowest line that an upload is waited for: 64 KiB a second. */
const BYTES_PER_MS = 65.536
const SLOW_FACTOR = 10
const FIRST_PAUSE = 100
const MAX_PAUSE = 5_000

/**
 * Sends requests through the SDK: each try ends in time, transient failures are tried again, the caller's signal is
 * listened to at every moment, and what goes wrong is a StorageError. The SDK's own policy has no time-out for one
 * try, so a server that is silent would be waited for only once.
 */
export class AzureCalls {
  readonly client: ContainerClient
  readonly limits: AzureLimits
  readonly #maxAttempts: number

  /** @param ownership of a client that is `shared`, whose pipeline has tries of its own */
  constructor(client: ContainerClient, limits: AzureLimits, ownership: 'own' | 'shared') {
    this.client = client
    this.limits = limits
    this.#maxAttempts = ownership === 'own' ? limits.maxAttempts : 1
  }

  get container(): string {
    return this.client.containerName
  }

  /** Runs `send`, once or several times, with what ends it. */
  async run<T>(call: Call, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    throwIfAborted(call.signal)
    const stop = new AbortController()
    const onAbort = () => call.signal && stop.abort(abortError(call.signal))
    call.signal?.addEventListener('abort', onAbort, { once: true })
    const timer = setTimeout(() => stop.abort(timeoutError(call)), this.#deadline(call))
    try {
      return await this.#tryUntil(stop.signal, call, send)
    } catch (error) {
      throw stop.signal.aborted ? stop.signal.reason : this.#toError(error, call)
    } finally {
      clearTimeout(timer)
      call.signal?.removeEventListener('abort', onAbort)
    }
  }

  async #tryUntil<T>(stop: AbortSignal, call: Call, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      stop.throwIfAborted()
      try {
        return await this.#tryOnce(stop, call, send)
      } catch (error) {
        const failure = this.#toError(error, call)
        if (attempt >= this.#maxAttempts || stop.aborted || !isTransient(failure)) throw failure
        const pause = Math.min(FIRST_PAUSE * 4 ** (attempt - 1), MAX_PAUSE)
        await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal: stop })
      }
    }
  }

  async #tryOnce<T>(stop: AbortSignal, call: Call, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(timeoutError(call)), this.#requestTime(call))
    const onStop = () => late.abort(stop.reason)
    stop.addEventListener('abort', onStop, { once: true })
    try {
      return await untilAborted(send(late.signal), late.signal)
    } catch (error) {
      throw late.signal.aborted ? late.signal.reason : error
    } finally {
      clearTimeout(timer)
      stop.removeEventListener('abort', onStop)
    }
  }

  #toError(error: unknown, { operation, key }: Call): StorageError {
    return toStorageError(error, { operation, key, container: this.container })
  }

  #requestTime(call: Call): number {
    const time = this.limits.requestTimeout * (call.slow ? SLOW_FACTOR : 1)
    return time + Math.ceil((call.bytes ?? 0) / BYTES_PER_MS)
  }

  /** A shared client's own tries are ended all together. */
  #deadline(call: Call): number {
    return call.within ?? (this.#requestTime(call) + MAX_PAUSE) * this.#maxAttempts
  }
}

function timeoutError({ operation, key }: Call): StorageError {
  return new StorageError('ERR_BACKEND_TIMEOUT', 'The storage did not answer in time.', { operation, key })
}
