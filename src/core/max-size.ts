import { untilAborted } from './abort.js'
import { StorageError } from './errors.js'
import { parseSize } from './size.js'

/** Whose upload a limit is asked for. */
export interface LimitedUpload {
  /** Who uploads; null for the system. */
  readonly tenant: string | null
  /** Entity and property (`OrderFile.file`) where the rules come from `rulesOf`, else the form field, if there is one. */
  readonly field: string | undefined
}

/**
 * Gives the largest file for one upload: bytes, or text such as `20mb`. Asked before a byte is read. A number of 0 or
 * less lets no byte in, for example of a tenant whose quota is used up.
 */
export type MaxSizeOf = (upload: LimitedUpload) => number | string | Promise<number | string>

/**
 * The limit of one upload in bytes.
 *
 * @param options.timeout of a function, in seconds
 * @throws ERR_LIMIT_UNKNOWN when the function fails, takes too long or gives no size; its own StorageError; the abort's
 */
export async function maxSizeFor(
  maxSize: number | MaxSizeOf,
  upload: LimitedUpload,
  options: { timeout: number; signal: AbortSignal | undefined },
): Promise<number> {
  if (typeof maxSize === 'number') return maxSize
  const { timeout, signal } = options
  const late = new AbortController()
  const timer = setTimeout(
    () => late.abort(unknown(`The function maxSize took longer than ${timeout} seconds.`)),
    timeout * 1000,
  )
  try {
    const asked = Promise.resolve().then(() => maxSize(upload))
    const inTime = untilAborted(asked, late.signal)
    return toLimit(await (signal === undefined ? inTime : untilAborted(inTime, signal)))
  } catch (error) {
    if (StorageError.is(error) || signal?.aborted) throw error
    throw unknown('The function maxSize failed.', error)
  } finally {
    clearTimeout(timer)
  }
}

function toLimit(size: unknown): number {
  if (typeof size === 'number' && Number.isFinite(size)) return Math.max(0, Math.floor(size))
  try {
    return parseSize(size as string)
  } catch (cause) {
    throw unknown('The function maxSize gave neither a number of bytes nor text such as "20mb".', cause)
  }
}

function unknown(message: string, cause?: unknown): StorageError {
  return new StorageError('ERR_LIMIT_UNKNOWN', message, { operation: 'maxSize', cause })
}
