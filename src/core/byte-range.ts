import type { ByteRange } from './driver.js'
import { StorageError } from './errors.js'

/**
 * The offsets that a range means for an object of this size (RFC 9110, section 14.1.2).
 *
 * @returns both ends included
 * @throws ERR_RANGE when no byte of the object lies in it
 */
export function resolveRange(range: ByteRange, size: number): { start: number; end: number } {
  const start = 'suffix' in range ? Math.max(0, size - range.suffix) : range.start
  const end = 'suffix' in range ? size - 1 : Math.min(range.end ?? size - 1, size - 1)
  const empty = 'suffix' in range && range.suffix <= 0
  const whole = Number.isInteger(start) && Number.isInteger(end)
  if (whole && !empty && start >= 0 && start <= end && start < size) return { start, end }
  throw new StorageError('ERR_RANGE', `The range lies outside of the file, which has ${size} bytes.`)
}
