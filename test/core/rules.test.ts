import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isActiveType, isTypePattern, matchesType } from '../../src/core/media-type.js'
import { acceptsType, type FileRules, isInFolder, resolveRules } from '../../src/core/rules.js'
import { parseSize } from '../../src/core/size.js'
import { thrownCode } from './errors-of.js'

describe('rules', () => {
  it('have a limit and a disk also where none is given', () => {
    expect(resolveRules({ folder: 'order_files' })).toEqual({
      disk: 'media',
      folder: 'order_files',
      accept: ['*/*'],
      mismatch: 'refuse',
      maxSize: 50 * 1024 * 1024,
      empty: 'refuse',
    })
  })

  it('are frozen, and independent of the object they came from', () => {
    const accept = ['image/*']
    const rules = resolveRules({ folder: 'f', accept })
    accept.push('*/*')
    expect(rules.accept).toEqual(['image/*'])
    expect(Object.isFrozen(rules) && Object.isFrozen(rules.accept)).toBe(true)
  })

  it.each<[string, unknown]>([
    ['without a folder', {}],
    ['with a folder that climbs', { folder: '../other' }],
    ['with an absolute folder', { folder: '/etc' }],
    ['with an empty list of types', { folder: 'f', accept: [] }],
    ['with a type that is none', { folder: 'f', accept: ['pdf'] }],
    ['with an upper-case type', { folder: 'f', accept: ['IMAGE/PNG'] }],
    ['with a type in place of a list', { folder: 'f', accept: 'image/png' }],
    ['with a size that is none', { folder: 'f', maxSize: 'big' }],
    ['without a limit', { folder: 'f', maxSize: Number.POSITIVE_INFINITY }],
    ['with an answer to empty files that is none', { folder: 'f', empty: 'refused' }],
    ['with an answer to a wrong name that is none', { folder: 'f', mismatch: 'ignore' }],
  ])('are refused %s', (_, rules) => {
    expect(thrownCode(() => resolveRules(rules as FileRules))).toBe('ERR_CONFIG')
  })

  it('know the keys of their folder, and not those of a folder that begins alike', () => {
    expect(isInFolder({ folder: 'orders' }, 'orders/a.pdf')).toBe(true)
    expect(isInFolder({ folder: 'orders' }, 'orders2/a.pdf')).toBe(false)
    expect(isInFolder({ folder: 'orders' }, 'orders')).toBe(false)
    expect(isInFolder({ folder: 'orders' }, 'x/orders/a.pdf')).toBe(false)
  })
})

describe('a type pattern', () => {
  it.each([
    'text/html; image/png',
    'ximage/png',
    'image/pngx',
    'image/png\nx',
    'image/png\n',
    ' image/png',
    'image/png ',
    'image/png;a=b',
    'IMAGE/PNG',
    '',
  ])('image/png does not match %j', type => {
    expect(matchesType('image/png', type)).toBe(false)
  })

  it.each([
    'text/html; image/png',
    'ximage/png',
    'image/png\nx',
    'image/png\n',
    'image/',
    'image/png; text/html',
    'image/a/b',
    'image/*',
    'text/image/png',
  ])('image/* does not match %j', type => {
    expect(matchesType('image/*', type)).toBe(false)
  })

  it('with a wildcard matches its family, and no active type', () => {
    expect(matchesType('image/*', 'image/png')).toBe(true)
    expect(matchesType('image/*', 'image/svg+xml')).toBe(false)
    expect(matchesType('text/*', 'text/html')).toBe(false)
    expect(matchesType('text/*', 'text/javascript')).toBe(false)
    expect(matchesType('application/*', 'application/xhtml+xml')).toBe(false)
  })

  it('that names an active type matches it', () => {
    expect(matchesType('image/svg+xml', 'image/svg+xml')).toBe(true)
  })

  it('for everything matches everything', () => {
    expect(matchesType('*/*', 'image/svg+xml')).toBe(true)
  })

  it('reads its dots as dots', () => {
    expect(matchesType('application/vnd.ms-excel', 'application/vndxms-excel')).toBe(false)
  })

  it('with a wildcard never matches what does not begin with its family', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), type => {
        if (matchesType('image/*', type)) expect(type).toMatch(/^image\/[a-z0-9][a-z0-9!#$&^_.+-]*$/)
      }),
    )
  })

  it.each([
    '*',
    '*/png',
    'image',
    'image/',
    '/png',
    'image/png/x',
    'image/*x',
    'image/png;q=1',
    'image/ png',
    'image/png\n',
  ])('is refused: %j', pattern => {
    expect(isTypePattern(pattern)).toBe(false)
  })

  it('is decided by any one of the accepted ones', () => {
    const rules = resolveRules({ folder: 'f', accept: ['application/pdf', 'image/*'] })
    expect(
      ['application/pdf', 'image/png', 'image/svg+xml', 'text/plain'].filter(type =>
        acceptsType(rules, type),
      ),
    ).toEqual(['application/pdf', 'image/png'])
  })
})

describe('active types', () => {
  it.each([
    'text/html',
    'TEXT/HTML',
    'text/html;charset=utf-8',
    'text/html ; charset=utf-8',
    ' text/html',
    'application/xhtml+xml',
    'image/svg+xml',
    'text/xml',
    'application/xml',
    'application/rss+xml',
    'application/mathml+xml',
    'text/xsl',
    'text/javascript',
    'application/javascript',
    'application/x-javascript',
    'text/ecmascript',
    'text/jscript',
    'text/javascript1.5',
    'multipart/related',
    'multipart/x-mixed-replace',
    'message/rfc822',
    // No type at all: a browser looks at the bytes, and Express takes a word for an extension.
    '',
    'html',
    'svg',
    '*/*',
    'text/html/x',
    // Types to be looked at again (WHATWG MIME Sniffing, section 7), and the last of a list (Fetch, section 3.6).
    'unknown/unknown',
    'application/unknown',
    'image/png, text/html',
    'image/png;a=b, text/html',
  ])('include %j', type => {
    expect(isActiveType(type)).toBe(true)
  })

  it.each([
    'text/plain',
    'image/png',
    'application/pdf',
    'application/json',
    'text/csv',
    'application/octet-stream',
    'text/plain; charset=utf-8',
    'IMAGE/PNG',
  ])('do not include %j', type => {
    expect(isActiveType(type)).toBe(false)
  })
})

describe('a size', () => {
  it.each([
    [1, 1],
    ['1b', 1],
    ['1kb', 1024],
    ['20mb', 20_971_520],
    ['20 MB', 20_971_520],
    ['1.5kb', 1536],
    ['2gb', 2_147_483_648],
    ['1tb', 1_099_511_627_776],
  ])('%j is %d bytes', (size, bytes) => {
    expect(parseSize(size)).toBe(bytes)
  })

  it.each([
    0,
    -1,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 53,
    '',
    '0mb',
    '-1mb',
    'mb',
    '20',
    '20m',
    '20 mb ',
    '20mb\n',
    '1e3b',
    '20  mb',
    '0x10b',
    '99999999999999999999tb',
  ])('%j is none', size => {
    expect(thrownCode(() => parseSize(size))).toBe('ERR_CONFIG')
  })

  it('is none when it is no number and no text', () => {
    for (const size of [null, [20], {}, true, 5n])
      expect(thrownCode(() => parseSize(size as never))).toBe('ERR_CONFIG')
  })

  it('that is none is named as it was given', () => {
    for (const size of [Number.NaN, Number.POSITIVE_INFINITY, 'big'])
      expect(() => parseSize(size)).toThrow(typeof size === 'string' ? 'got "big".' : `got ${size}.`)
  })
})
