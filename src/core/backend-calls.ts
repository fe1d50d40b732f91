import type { Attempt } from './attempt.js'
import { CallBounds } from './call-bounds.js'
import type { CallLimits } from './call-limits.js'
import { StorageError } from './errors.js'
import { pauseAfter, RetryBudget } from './retry.js'

/** One request to a backend, or one step that may be taken again. */
export interface BackendCall {
  operation: string
  key?: string
  signal?: AbortSignal
  /** Bytes to send; they get the time that a slow line needs. */
  bytes?: number
  /** A request that the backend may work on for minutes: copying, putting parts together. */
  slow?: boolean
  /** Milliseconds for everything, further tries included, instead of what follows from the limits. */
  within?: number
  /** Told of each try that fails. The backend may have done what it was asked for all the same. */
  onFailedTry?: () => void
}

/** What a driver knows of its backend's failures. */
export interface FailureRules {
  /** The StorageError for whatever a try threw. One that is a StorageError already stays itself. */
  toError(error: unknown, call: BackendCall): StorageError
  /** Whether the same request may succeed a moment later. */
  isTransient(error: StorageError): boolean
  /** Milliseconds that the backend asked to wait. */
  retryAfter(error: StorageError): number | undefined
}

/** The slowest line that an upload is waited for: 64 KiB a second. */
const BYTES_PER_MS = 65.536
const SLOW_FACTOR = 10

/**
 * Talks to a backend so that every call has an end: each try ends in time, what may pass is tried again after a pause
 * and within the budget, the caller's signal is listened to at every moment, and what goes wrong is a StorageError.
 *
 * Only requests that may be sent twice belong here: reads, deletes, and writes whose bytes lie in memory.
 */
export class BackendCalls {
  readonly #limits: CallLimits
  readonly #rules: FailureRules
  readonly #tries: 'own' | 'foreign'
  readonly #budget: RetryBudget

  /** @param tries `foreign`: the client that sends has tries of its own; they are ended all together */
  constructor(limits: CallLimits, rules: FailureRules, tries: 'own' | 'foreign' = 'own') {
    this.#limits = limits
    this.#rules = rules
    this.#tries = tries
    this.#budget = new RetryBudget(limits.retryBudget)
  }

  /** Milliseconds for one try of a call. */
  requestTime({ slow, bytes = 0 }: BackendCall): number {
    return this.#limits.requestTimeout * (slow ? SLOW_FACTOR : 1) + Math.ceil(bytes / BYTES_PER_MS)
  }

  /** Runs `send`, once or several times, with what ends it. */
  run<T>(call: BackendCall, send: (attempt: Attempt) => Promise<T>): Promise<T> {
    const bounds = new CallBounds(call, this.#deadline(call))
    // A client that tries again by itself is ended with the call alone.
    const time = this.#tries === 'own' ? this.requestTime(call) : Number.POSITIVE_INFINITY
    return bounds.try(send, time).then(
      answer => {
        bounds.release()
        this.#budget.succeeded()
        return answer
      },
      error => this.#again(call, bounds, () => bounds.try(send, time), error),
    )
  }

  /** What follows a first try that failed. */
  async #again<T>(call: BackendCall, bounds: CallBounds, send: () => Promise<T>, first: unknown): Promise<T> {
    let error = first
    try {
      for (let number = 1; ; number++) {
        call.onFailedTry?.()
        if (bounds.reason !== undefined) throw bounds.reason
        const failure = this.#rules.toError(error, call)
        const paid = this.#payFor(failure, number)
        await bounds.pause(pauseAfter(number, this.#limits, this.#rules.retryAfter(failure)))
        try {
          const answer = await send()
          this.#budget.succeeded(paid)
          return answer
        } catch (next) {
          error = next
        }
      }
    } finally {
      bounds.release()
    }
  }

  /** What a further try costs. @throws the failure, where there is none */
  #payFor(failure: StorageError, number: number): number {
    const tries = this.#tries === 'own' ? this.#limits.maxAttempts : 1
    if (number >= tries || !this.#rules.isTransient(failure)) throw failure
    const price = this.#budget.take(StorageError.is(failure, 'ERR_BACKEND_TIMEOUT') ? 'timeout' : 'answer')
    if (price === undefined) throw failure
    return price
  }

  #deadline(call: BackendCall): number {
    const { connectTimeout, maxAttempts, maxRetryDelay } = this.#limits
    return call.within ?? (connectTimeout + this.requestTime(call) + maxRetryDelay) * maxAttempts
  }
}
