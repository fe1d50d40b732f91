import { untilAborted } from '../../core/abort.js'
import { StorageError } from '../../core/errors.js'
import { SHARED_TENANT } from '../../core/key.js'
import { parseSize } from '../../core/size.js'

/** A number of bytes, or text such as `10gb`; 0 for nothing at all. Null or undefined: no limit. */
export type QuotaSize = number | string | null | undefined

/**
 * How much one tenant may keep: the same for all of them, or a function that says it for each. The function is
 * called for every upload and has 5 seconds, so it remembers what is slow to find out.
 */
export type QuotaOption = number | string | ((tenant: string) => QuotaSize | Promise<QuotaSize>)

// In milliseconds.
const TIMEOUT = 5000

/** The quota of a DataSource. */
export class Quota {
  readonly #limitOf: (tenant: string) => QuotaSize | Promise<QuotaSize>

  /** @throws ERR_CONFIG for a size that is none */
  constructor(option: QuotaOption) {
    if (typeof option === 'function') {
      this.#limitOf = option
      return
    }
    const limit = bytesOf(option)
    this.#limitOf = () => limit
  }

  /**
   * Files that belong to no single tenant have no quota.
   *
   * @returns bytes, or undefined for no limit
   * @throws ERR_QUOTA_UNKNOWN, ERR_CONFIG
   */
  async limitOf(tenant: string | null): Promise<number | undefined> {
    if (tenant === null || tenant === SHARED_TENANT) return undefined
    return bytesOf(await this.#ask(tenant))
  }

  async #ask(tenant: string): Promise<QuotaSize> {
    try {
      const answer = this.#limitOf(tenant)
      return answer instanceof Promise ? await untilAborted(answer, AbortSignal.timeout(TIMEOUT)) : answer
    } catch (cause) {
      if (StorageError.is(cause)) throw cause
      throw new StorageError(
        'ERR_QUOTA_UNKNOWN',
        `The quota of this tenant is not known: the function given to withFiles({ quota }) failed, or took longer than ${TIMEOUT / 1000} seconds.`,
        { operation: 'quota', cause },
      )
    }
  }
}

function bytesOf(size: QuotaSize): number | undefined {
  if (size === null || size === undefined) return undefined
  return size === 0 ? 0 : parseSize(size)
}

/** @param left bytes that the tenant may still store */
export function quotaExceeded(left: number, limit: number): StorageError {
  return new StorageError(
    'ERR_QUOTA_EXCEEDED',
    `There is no room for this file: ${inWords(Math.max(left, 0))} of ${inWords(limit)} are left.`,
    { operation: 'quota' },
  )
}

const UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB']

/** A size as people read it, rounded down: what is said to be left must fit. */
function inWords(bytes: number): string {
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), UNITS.length - 1)
  const digits = power === 0 ? 1 : 100
  return `${Math.floor((bytes / 1024 ** power) * digits) / digits} ${UNITS[power]}`
}
