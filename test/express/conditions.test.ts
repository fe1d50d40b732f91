import { describe, expect, it, test } from 'vitest'
import { judge, permitsRange } from '../../src/express/conditions.js'
import { parseRange } from '../../src/express/range-header.js'

const lastModified = new Date('1994-11-06T08:49:37.512Z')
const file = { etag: '"a,b"', lastModified }
const NOW = Date.UTC(2026, 0, 1)
const EXACT = 'Sun, 06 Nov 1994 08:49:37 GMT'
const EARLIER = 'Sun, 06 Nov 1994 08:49:36 GMT'
const LATER = 'Sun, 06 Nov 1994 08:49:38 GMT'

describe('the conditions of a request', () => {
  it.each([
    [{}, 'answer'],
    [{ 'if-none-match': '"a,b"' }, 'not modified'],
    [{ 'if-none-match': 'W/"a,b"' }, 'not modified'],
    [{ 'if-none-match': '"x", W/"y" ,"a,b"' }, 'not modified'],
    [{ 'if-none-match': '*' }, 'not modified'],
    [{ 'if-none-match': '"x"' }, 'answer'],
    [{ 'if-none-match': '"a' }, 'answer'],
    [{ 'if-none-match': 'a,b' }, 'answer'],
    [{ 'if-none-match': '' }, 'answer'],
    [{ 'if-modified-since': EXACT }, 'not modified'],
    [{ 'if-modified-since': LATER }, 'not modified'],
    [{ 'if-modified-since': EARLIER }, 'answer'],
    [{ 'if-modified-since': 'Sunday, 06-Nov-94 08:49:37 GMT' }, 'not modified'],
    [{ 'if-modified-since': 'Sun Nov  6 08:49:37 1994' }, 'not modified'],
    [{ 'if-modified-since': '2030-01-01' }, 'answer'],
    [{ 'if-modified-since': 'nonsense' }, 'answer'],
    [{ 'if-match': '"a,b"' }, 'answer'],
    [{ 'if-match': '*' }, 'answer'],
    [{ 'if-match': '"x", "a,b"' }, 'answer'],
    [{ 'if-match': 'W/"a,b"' }, 'failed'],
    [{ 'if-match': '"x"' }, 'failed'],
    [{ 'if-unmodified-since': EXACT }, 'answer'],
    [{ 'if-unmodified-since': EARLIER }, 'failed'],
    [{ 'if-unmodified-since': 'nonsense' }, 'answer'],
    // the order of RFC 9110, section 13.2.2
    [{ 'if-none-match': '"x"', 'if-modified-since': LATER }, 'answer'],
    [{ 'if-none-match': '"a,b"', 'if-modified-since': EARLIER }, 'not modified'],
    [{ 'if-match': '"a,b"', 'if-unmodified-since': EARLIER }, 'answer'],
    [{ 'if-match': '"x"', 'if-none-match': '"a,b"' }, 'failed'],
    [{ 'if-match': '"a,b"', 'if-none-match': '"a,b"' }, 'not modified'],
  ])('%j come to: %s', (headers, verdict) => {
    expect(judge(headers, file)).toBe(verdict)
  })

  it('that name an entity tag match no file without one', () => {
    expect(judge({ 'if-none-match': '"x"' }, { lastModified })).toBe('answer')
    expect(judge({ 'if-match': '"x"' }, { lastModified })).toBe('failed')
  })

  it('never match a weak entity tag where a strong one is asked for', () => {
    const weak = { etag: 'W/"a"', lastModified }
    expect(judge({ 'if-match': 'W/"a"' }, weak)).toBe('failed')
    expect(judge({ 'if-none-match': '"a"' }, weak)).toBe('not modified')
    expect(permitsRange({ 'if-range': 'W/"a"' }, weak, NOW)).toBe(false)
  })
})

describe('If-Range', () => {
  it.each([
    [undefined, true],
    ['"a,b"', true],
    ['W/"a,b"', false],
    ['"x"', false],
    [EXACT, true],
    [EARLIER, false],
    [LATER, false],
    ['nonsense', false],
    ['', false],
  ])('%j permits a range: %s', (condition, permits) => {
    expect(permitsRange({ 'if-range': condition }, file, NOW)).toBe(permits)
  })

  it('with the date of a file that may change once more within its second permits none', () => {
    expect(permitsRange({ 'if-range': EXACT }, file, lastModified.getTime() + 100)).toBe(false)
    expect(permitsRange({ 'if-range': EXACT }, file, lastModified.getTime() + 1_000)).toBe(true)
  })
})

describe('a Range header', () => {
  test.each([
    ['bytes=0-1,2-3', { start: 0, end: 3 }],
    ['bytes=5-9 , 0-4', { start: 0, end: 9 }],
    ['bytes=0-9,3-4', { start: 0, end: 9 }],
    ['bytes=0-4,3-', { start: 0 }],
    ['bytes=0-,0-', { start: 0 }],
    ['BYTES=1-2', { start: 1, end: 2 }],
  ])('%s is one range', (header, range) => {
    expect(parseRange(header)).toEqual(range)
  })

  test.each(['bytes=0-1,3-4', 'bytes=0-1,-2', 'bytes=-2,-1', 'bytes=0-1,x', 'bytes=0-1,', 'bytes=1-0,0-1'])(
    '%s asks for no single range',
    header => {
      expect(parseRange(header)).toBeUndefined()
    },
  )

  it('of thousands of ranges is ignored', () => {
    const many = Array.from({ length: 10_000 }, (_, index) => `${index}-${index}`)
    expect(parseRange(`bytes=${many.join(',')}`)).toBeUndefined()
    expect(parseRange(`bytes=${many.slice(0, 32).join(',')}`)).toEqual({ start: 0, end: 31 })
    expect(parseRange(`bytes=${many.slice(0, 33).join(',')}`)).toBeUndefined()
  })
})
