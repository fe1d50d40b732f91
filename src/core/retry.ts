/** Answers after which the same request may succeed a moment later (RFC 9110, section 15; RFC 6585 for 429). */
const PASSING_STATUS = new Set([408, 429, 500, 502, 503, 504])

/** Node's names for failures of a connection that may pass. A host that is not found or a wrong certificate will not. */
const PASSING_CODES = new Set([
  ...['ECONNRESET', 'ECONNREFUSED', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ESOCKETTIMEDOUT'],
  ...['EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EAI_AGAIN', 'ERR_STREAM_PREMATURE_CLOSE'],
])

/** Whether a failure may pass: by the status of the answer, or by Node's code where there was none. */
export function mayPass({ status, code }: { status?: number; code?: string }): boolean {
  return status === undefined ? PASSING_CODES.has(code ?? '') : PASSING_STATUS.has(status)
}

/** The pause that a Retry-After header asks for, in milliseconds (RFC 9110, section 10.2.3): seconds or a date. */
export function parseRetryAfter(header: unknown, now = Date.now()): number | undefined {
  if (typeof header !== 'string') return undefined
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1_000
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

/** How long to wait after try number `attempt`: twice as long each time, less up to a half, never beyond `max`. */
export function pauseAfter(
  attempt: number,
  { retryDelay, maxRetryDelay }: { retryDelay: number; maxRetryDelay: number },
  asked = 0,
): number {
  const own = retryDelay * 2 ** (attempt - 1) * (0.5 + Math.random() / 2)
  return Math.min(maxRetryDelay, Math.max(own, asked))
}

const FOR_RETRY = 1
const FOR_RETRY_AFTER_TIMEOUT = 2
const BACK_FOR_SUCCESS = 0.2

/**
 * What keeps a driver from hammering a backend that is down: every further try takes from one purse, and only success
 * fills it again. An empty purse means one try for each call. The prices are those of the AWS SDKs' standard mode
 * ("Retry behavior", AWS SDKs and Tools Reference Guide).
 */
export class RetryBudget {
  readonly #most: number
  #left: number

  /** @param retries how many further tries a full purse pays for */
  constructor(retries: number) {
    this.#most = retries
    this.#left = retries
  }

  /** What a further try costs; undefined where the purse does not hold it. */
  take(after: 'answer' | 'timeout'): number | undefined {
    const price = after === 'timeout' ? FOR_RETRY_AFTER_TIMEOUT : FOR_RETRY
    if (this.#left < price) return undefined
    this.#left -= price
    return price
  }

  /** @param paid for the try that succeeded; a first one gives back a little as well */
  succeeded(paid = BACK_FOR_SUCCESS): void {
    this.#left = Math.min(this.#most, this.#left + paid)
  }
}
