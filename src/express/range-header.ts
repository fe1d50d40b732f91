import type { ByteRange } from '../core/driver.js'

/**
 * Reads a Range header (RFC 9110, section 14.2). Several ranges, another unit and nonsense give undefined: a
 * server may ignore them and answer with the whole.
 */
export function parseRange(header: string | undefined): ByteRange | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '')
  if (match === null) return undefined
  const [, first = '', last = ''] = match
  if (first === '') return last === '' ? undefined : { suffix: Number(last) }
  if (last === '') return { start: Number(first) }
  return Number(first) <= Number(last) ? { start: Number(first), end: Number(last) } : undefined
}
