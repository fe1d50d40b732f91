import { StorageError } from '../../core/errors.js'
import { assertKnownOptions, type OptionNames } from '../../core/known-options.js'
import { PASS_DEFAULTS, type PassOptions } from './ledger-reaper.js'

/** How a reaper works. */
export interface ReapOptions {
  /** Lines of the ledger that are taken up at once. Default 500. */
  batchSize?: number
  /** Deletions at the same time on a backend that cannot delete many objects with one request. Default 8. */
  concurrency?: number
  /** After so many failures a line is `dead`, and waits for {@link retryDead}. Default 20: one to two days. */
  maxAttempts?: number
  /** How long a reaped key waits to be deleted once more, in seconds. Default 86,400: a day. */
  tombstone?: number
}

/** How {@link reapOnce} works. */
export interface ReapOnceOptions extends ReapOptions {
  /** So many lines of the ledger are taken up at most. Default: all that are due. */
  limit?: number
  /** Ends it after the batch that is under way. */
  signal?: AbortSignal
}

/** How {@link startReaper} works. */
export interface ReaperOptions extends ReapOptions {
  /** The longest pause between two rounds, in seconds. It grows up to that while there is nothing to do. Default 60. */
  interval?: number
}

const REAP_OPTIONS: OptionNames<ReapOptions> = {
  batchSize: 'known',
  concurrency: 'known',
  maxAttempts: 'known',
  tombstone: 'known',
}

const REAP_ONCE_OPTIONS: OptionNames<ReapOnceOptions> = { ...REAP_OPTIONS, limit: 'known', signal: 'known' }

const REAPER_OPTIONS: OptionNames<ReaperOptions> = { ...REAP_OPTIONS, interval: 'known' }

const DEFAULT_INTERVAL = 60
const MAX_INTERVAL = 86_400

/** @throws ERR_CONFIG */
export function resolveReapOnceOptions(options: ReapOnceOptions): PassOptions {
  assertKnownOptions('reapOnce()', options, REAP_ONCE_OPTIONS)
  const { limit } = options
  return { ...passOptions(options), limit: limit === undefined ? PASS_DEFAULTS.limit : whole('limit', limit) }
}

/** @returns with `interval` in milliseconds. @throws ERR_CONFIG */
export function resolveReaperOptions(options: ReaperOptions): PassOptions & { interval: number } {
  assertKnownOptions('startReaper()', options, REAPER_OPTIONS)
  const { interval = DEFAULT_INTERVAL } = options
  if (!(interval > 0 && interval <= MAX_INTERVAL)) {
    throw notPositive('interval', `number of seconds, at most ${MAX_INTERVAL}`, interval)
  }
  return { ...passOptions(options), interval: interval * 1000 }
}

function passOptions(options: ReapOptions): PassOptions {
  const { tombstone = PASS_DEFAULTS.tombstone / 1000 } = options
  if (!(Number.isFinite(tombstone) && tombstone >= 0)) {
    throw notPositive('tombstone', 'number of seconds', tombstone)
  }
  return {
    batchSize: whole('batchSize', options.batchSize ?? PASS_DEFAULTS.batchSize),
    concurrency: whole('concurrency', options.concurrency ?? PASS_DEFAULTS.concurrency),
    maxAttempts: whole('maxAttempts', options.maxAttempts ?? PASS_DEFAULTS.maxAttempts),
    tombstone: Math.round(tombstone * 1000),
    limit: PASS_DEFAULTS.limit,
  }
}

function whole(name: string, value: number): number {
  if (Number.isInteger(value) && value > 0) return value
  throw notPositive(name, 'whole number', value)
}

function notPositive(name: string, what: string, value: unknown): StorageError {
  return new StorageError('ERR_CONFIG', `${name} is a positive ${what}; got ${String(value)}.`)
}
