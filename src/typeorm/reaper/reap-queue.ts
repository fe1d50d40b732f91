import { publish } from '../../core/events.js'
import type { LineKey } from '../ledger-sql.js'

/** Keys in one batch. What was committed while the last one ran goes together. */
const BATCH = 200

/** Beyond that the keys are left to the reaper, so that a storage that is down does not fill the memory. */
const MAX_WAITING = 10_000

/** Deletes what was just given up, behind the requests that did it: one batch at a time, best effort. */
export class ReapQueue {
  readonly #reap: (keys: readonly LineKey[]) => Promise<void>
  #waiting: LineKey[] = []
  #isRunning = false

  /** @param reap may reject: then the keys are left to the reaper */
  constructor(reap: (keys: readonly LineKey[]) => Promise<void>) {
    this.#reap = reap
  }

  /** Never throws, and never waits. */
  add(keys: readonly LineKey[]): void {
    this.#waiting.push(...keys.slice(0, MAX_WAITING - this.#waiting.length))
    if (!this.#isRunning) void this.#run()
  }

  /** From now on nothing is begun; what waits is left to the reaper. */
  clear(): void {
    this.#waiting = []
  }

  async #next(): Promise<void> {
    const batch = this.#waiting.splice(0, BATCH)
    try {
      await this.#reap(batch)
    } catch (error) {
      // The database fails, so it will not take the rest either.
      for (const { backend, objectKey: key } of [...batch, ...this.#waiting])
        publish('leftover', { backend, key, error })
      this.clear()
    }
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    try {
      while (this.#waiting.length > 0) await this.#next()
    } finally {
      this.#isRunning = false
    }
  }
}
