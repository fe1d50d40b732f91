import type { ByteRange } from '../core/driver.js'

/** Nobody who means well asks for more parts (RFC 9110, section 14.2, lets a server ignore such headers). */
const MAX_RANGES = 32

/**
 * Reads a Range header (RFC 9110, section 14.2). Several ranges that overlap or touch are one range. Ranges with
 * gaps between them, another unit and nonsense give undefined: a server may ignore them and answer with the whole.
 */
export function parseRange(header: string | undefined): ByteRange | undefined {
  const list = /^bytes=(.*)$/i.exec(header?.trim() ?? '')?.[1]
  const parts = list?.split(',', MAX_RANGES + 1).map(part => part.trim())
  if (parts === undefined || parts.length > MAX_RANGES) return undefined
  if (parts.length === 1) return parseOne(parts[0] ?? '')
  return combine(parts.map(parseOne))
}

function parseOne(text: string): ByteRange | undefined {
  const match = /^(\d*)-(\d*)$/.exec(text)
  if (match === null) return undefined
  const [, first = '', last = ''] = match
  if (first === '') return last === '' ? undefined : { suffix: Number(last) }
  if (last === '') return { start: Number(first) }
  return Number(first) <= Number(last) ? { start: Number(first), end: Number(last) } : undefined
}

/** What a suffix overlaps with, only the size would tell: it is never combined. */
function combine(ranges: readonly (ByteRange | undefined)[]): ByteRange | undefined {
  const spans = ranges.flatMap(range =>
    range !== undefined && 'start' in range ? [{ start: range.start, end: range.end ?? Infinity }] : [],
  )
  const [first, ...others] = spans.sort((a, b) => a.start - b.start)
  if (first === undefined || spans.length < ranges.length) return undefined
  let { start, end } = first
  for (const span of others) {
    if (span.start > end + 1) return undefined
    end = Math.max(end, span.end)
  }
  return end === Infinity ? { start } : { start, end }
}
