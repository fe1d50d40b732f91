import { StorageError } from './errors.js'

/** How long a driver waits for its backend, and how often it asks again. The same on every cloud driver. */
export interface CallOptions {
  /** Milliseconds until a connection must stand. Default 5,000. */
  connectTimeout?: number
  /** Milliseconds for one try of a request until its answer begins; bodies get more, by their size. Default 30,000. */
  requestTimeout?: number
  /** Milliseconds without a byte of a download that somebody waits for. Default 30,000. */
  idleTimeout?: number
  /** How often a request is tried in all. Default 3. */
  maxAttempts?: number
  /** Milliseconds before the second try; each further pause is twice as long, and all have jitter. Default 200. */
  retryDelay?: number
  /** Milliseconds of the longest pause, also where the backend asks for a longer one (Retry-After). Default 5,000. */
  maxRetryDelay?: number
  /** Further tries that the whole driver may spend while nothing succeeds; 0 for none at all. Default 100. */
  retryBudget?: number
}

/** The numbers, with every default filled in. */
export type CallLimits = Readonly<Required<CallOptions>>

/** @throws ERR_CONFIG */
export function resolveCallLimits(options: CallOptions): CallLimits {
  const { retryBudget = 100, ...times } = options
  const limits = {
    connectTimeout: times.connectTimeout ?? 5_000,
    requestTimeout: times.requestTimeout ?? 30_000,
    idleTimeout: times.idleTimeout ?? 30_000,
    maxAttempts: times.maxAttempts ?? 3,
    retryDelay: times.retryDelay ?? 200,
    maxRetryDelay: times.maxRetryDelay ?? 5_000,
  }
  assertPositive(limits)
  if (!Number.isSafeInteger(retryBudget) || retryBudget < 0)
    throw new StorageError('ERR_CONFIG', 'retryBudget must be a whole number, 0 or more.')
  return { ...limits, retryBudget }
}

/** @throws ERR_CONFIG */
export function assertPositive(limits: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new StorageError('ERR_CONFIG', `${name} must be a positive whole number.`)
  }
}
