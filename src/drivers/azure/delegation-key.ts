import type { UserDelegationKey } from '@azure/storage-blob'
import { StorageError } from '../../core/errors.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** "Get User Delegation Key", Azure REST API: begin and end lie within seven days of now. */
export const KEY_LIFE = 7 * 24 * HOUR

/**
 * Keys begin on the half day, so that all processes ask for the same one and URLs stay the same through restarts,
 * and a quarter of an hour later, as clocks differ ("Create a user delegation SAS").
 */
const KEY_STEP = 12 * HOUR
const CLOCK_SKEW = 15 * MINUTE
const RETRY_AFTER = MINUTE

/**
 * A user delegation key at hand without waiting. It is replaced in the background every half day; while that fails
 * the old one stays in use until its last second.
 */
export class DelegationKeys {
  readonly #load: (startsOn: Date, expiresOn: Date) => Promise<UserDelegationKey>
  #current: UserDelegationKey | undefined
  #timer: NodeJS.Timeout | undefined
  #failure: unknown
  #stopped = false

  constructor(load: (startsOn: Date, expiresOn: Date) => Promise<UserDelegationKey>) {
    this.#load = load
  }

  /** Loads the first key. Rejects with what the loader rejects with. */
  async warm(): Promise<void> {
    this.#stopped = false
    await this.#renew()
    this.#schedule(untilNextKey())
  }

  /** @throws ERR_NOT_READY before {@link warm}, and when the key expired without a new one */
  current(): UserDelegationKey {
    if (this.#current === undefined)
      throw new StorageError('ERR_NOT_READY', 'Await ready() before URLs are signed.')
    const { signedExpiresOn } = this.#current
    if (signedExpiresOn.getTime() > Date.now()) return this.#current
    throw new StorageError(
      'ERR_NOT_READY',
      `The user delegation key expired at ${signedExpiresOn.toISOString()} and could not be renewed. Check the credential and its role "Storage Blob Delegator".`,
      { cause: this.#failure },
    )
  }

  /** Ends the background work. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async #renew(): Promise<void> {
    const start = keyStart()
    this.#current = await this.#load(new Date(start), new Date(start + KEY_LIFE))
    this.#failure = undefined
  }

  async #refresh(): Promise<void> {
    try {
      await this.#renew()
      this.#schedule(untilNextKey())
    } catch (error) {
      this.#failure = error
      this.#schedule(RETRY_AFTER)
    }
  }

  #schedule(delay: number): void {
    clearTimeout(this.#timer)
    // A timer must never keep the process alive.
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#refresh(), delay).unref()
  }
}

function keyStart(): number {
  return Math.floor((Date.now() - CLOCK_SKEW) / KEY_STEP) * KEY_STEP
}

function untilNextKey(): number {
  return keyStart() + KEY_STEP + CLOCK_SKEW - Date.now() + 1
}
