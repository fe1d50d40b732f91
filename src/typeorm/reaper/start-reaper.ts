import { setTimeout as sleep } from 'node:timers/promises'
import type { Storage } from '../../core/storage.js'
import type { PassOptions } from './ledger-reaper.js'
import { assertStorage, type ReapReport, reapRound } from './reap-round.js'
import { type ReaperOptions, resolveReaperOptions } from './reaper-options.js'
import { settledWithin } from './settled-within.js'

/** A reaper that works in this process. */
export interface Reaper {
  /** Goes through all ledgers now, behind the round that is under way. Never rejects: see `errors`. */
  runOnce(): Promise<ReapReport>
  /**
   * Ends the reaper, after the batch that is under way.
   *
   * @param options.timeout seconds; what is not done by then is given up, and another reaper will do it. Default 10
   */
  stop(options?: { timeout?: number }): Promise<void>
}

/**
 * Deletes in the background what no row holds any more: replaced and removed files, uploads that nobody saved, and what
 * crashes left behind. Any number of processes on any number of machines may do so for one database.
 *
 * It waits for the DataSources of the storage, so it may be started before they are initialized. Its timers do not keep the
 * process alive. What it does and how far behind it is, the event `reaper` says after each round.
 *
 * @throws ERR_CONFIG for options that make no sense
 * @example
 * const reaper = startReaper(storage)
 * process.once('SIGTERM', () => reaper.stop())
 */
export function startReaper(storage: Storage, options: ReaperOptions = {}): Reaper {
  assertStorage(storage)
  const { interval, ...pass } = resolveReaperOptions(options)
  const reaper = new BackgroundReaper(storage, pass, interval)
  reaper.start()
  return reaper
}

// Milliseconds.
const SHORTEST_PAUSE = 1_000
/** What a timer of Node can wait; beyond that it fires at once. */
const MAX_TIMER = 2 ** 31 - 1
/** For requests that were given up to end, so that their lines can be given back. */
const LAST_MOMENTS = 2_000

class BackgroundReaper implements Reaper {
  readonly #storage: Storage
  readonly #options: PassOptions
  readonly #interval: number
  readonly #soon = new AbortController()
  readonly #now = new AbortController()
  #round: Promise<ReapReport> | undefined

  /** @param interval in milliseconds */
  constructor(storage: Storage, options: PassOptions, interval: number) {
    this.#storage = storage
    this.#options = options
    this.#interval = interval
  }

  start(): void {
    void this.#work()
  }

  runOnce(): Promise<ReapReport> {
    const end = { soon: this.#soon.signal, now: this.#now.signal }
    const before = this.#round ?? Promise.resolve()
    const round = before.then(() => reapRound(this.#storage, this.#options, end))
    this.#round = round
    return round
  }

  async stop({ timeout = 10 }: { timeout?: number } = {}): Promise<void> {
    this.#soon.abort()
    const round = this.#round === undefined ? [] : [this.#round]
    await settledWithin(round, Math.min(timeout * 1000, MAX_TIMER))
    this.#now.abort()
    await settledWithin(round, LAST_MOMENTS)
  }

  async #work(): Promise<void> {
    let pause = SHORTEST_PAUSE
    while (!this.#soon.signal.aborted) {
      const { taken, failed, errors } = await this.runOnce()
      // A round works until nothing is due, so more follows soon only where something has happened.
      const isBusy = taken > 0 && failed === 0 && errors.length === 0
      pause = Math.min(this.#interval, isBusy ? SHORTEST_PAUSE : pause * 2)
      await this.#pause(pause)
    }
  }

  /** Less up to a half, so that the reapers of several processes do not all come at once. */
  async #pause(pause: number): Promise<void> {
    const options = { ref: false, signal: this.#soon.signal }
    await sleep(pause * (0.5 + Math.random() / 2), undefined, options).catch(() => {})
  }
}
