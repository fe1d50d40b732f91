import { StorageError } from '../../core/errors.js'
import type { SigningCredentials } from './url-signer.js'

export interface ExpiringCredentials extends SigningCredentials {
  readonly expiration?: Date
}

/**
 * The SDK hands out its own cached credentials until five minutes before they expire; asking earlier than that
 * gives the same ones again.
 */
const REFRESH_BEFORE_EXPIRY = 4.5 * 60_000
const RETRY_AFTER = 30_000
const MIN_DELAY = 1_000
const MAX_DELAY = 24 * 3_600_000

/**
 * Credentials at hand without waiting. They are refreshed in the background before they expire; while that
 * fails the old ones stay in use until their last second.
 */
export class WarmCredentials {
  readonly #load: () => Promise<ExpiringCredentials>
  #current: ExpiringCredentials | undefined
  #timer: NodeJS.Timeout | undefined
  #failure: unknown
  #stopped = false

  constructor(load: () => Promise<ExpiringCredentials>) {
    this.#load = load
  }

  /** Loads the first credentials. Rejects with what the loader rejects with. */
  async warm(): Promise<void> {
    this.#stopped = false
    this.#current = await this.#load()
    this.#schedule(this.#untilRefresh())
  }

  /** @throws ERR_NOT_READY before {@link warm}, and when the credentials expired without new ones */
  current(): ExpiringCredentials {
    const { expiration } = this.#current ?? {}
    if (this.#current === undefined) {
      throw new StorageError(
        'ERR_NOT_READY',
        'No credentials are loaded yet: await ready() before URLs are signed.',
      )
    }
    if (expiration !== undefined && expiration.getTime() <= Date.now()) {
      throw new StorageError(
        'ERR_NOT_READY',
        `The credentials expired at ${expiration.toISOString()} and could not be refreshed. Check the role or the credential provider.`,
        { cause: this.#failure },
      )
    }
    return this.#current
  }

  /** A machine that slept has missed its refresh: then ask for new ones before {@link current}. */
  get haveExpired(): boolean {
    const { expiration } = this.#current ?? {}
    return expiration !== undefined && expiration.getTime() <= Date.now()
  }

  /** Ends the background work. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  /** Asks for new ones. A failure is told by {@link current}, once the old ones have expired. */
  async refresh(): Promise<void> {
    try {
      this.#current = await this.#load()
      this.#failure = undefined
      this.#schedule(this.#untilRefresh())
    } catch (error) {
      this.#failure = error
      this.#schedule(Math.min(RETRY_AFTER, this.#untilRefresh()))
    }
  }

  /** Short-lived credentials are asked for again at half of what is left of them. */
  #untilRefresh(): number {
    const expiration = this.#current?.expiration
    if (expiration === undefined) return Number.POSITIVE_INFINITY
    const remaining = expiration.getTime() - Date.now()
    return remaining > REFRESH_BEFORE_EXPIRY + 60_000 ? remaining - REFRESH_BEFORE_EXPIRY : remaining / 2
  }

  #schedule(delay: number): void {
    clearTimeout(this.#timer)
    if (this.#stopped || delay === Number.POSITIVE_INFINITY) return
    // A timer must never keep the process alive, and setTimeout takes no more than 24.8 days.
    const wait = Math.min(Math.max(delay, MIN_DELAY), MAX_DELAY)
    this.#timer = setTimeout(() => void this.refresh(), wait).unref()
  }
}
