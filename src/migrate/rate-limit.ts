import { setTimeout as sleep } from 'node:timers/promises'

// What may go at once, in seconds of the rate: pauses shorter than that are not worth a timer.
const BURST = 0.1

/** Lets bytes pass at a steady rate, however many ask. */
export class RateLimit {
  readonly #rate: number
  /** When all that was let pass is paid for, in milliseconds. */
  #paidAt = 0

  /** @param rate in bytes a second; Infinity lets everything pass */
  constructor(rate: number) {
    this.#rate = rate
  }

  /** Resolves when `bytes` may pass. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.#rate === Number.POSITIVE_INFINITY) return
    const now = performance.now()
    const wait = this.#paidAt - now - BURST * 1000
    this.#paidAt = Math.max(this.#paidAt, now) + (bytes / this.#rate) * 1000
    if (wait > 0) await sleep(wait, undefined, { signal })
  }
}
