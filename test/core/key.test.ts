import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  assertListPrefix,
  assertObjectKey,
  assertPathOfWords,
  assertTenantId,
  keyPrefix,
  newFileKey,
  parseObjectKey,
  type Tenancy,
} from '../../src/core/key.js'
import { thrownCode } from './errors-of.js'

const BAD_TENANTS: [string, unknown][] = [
  ['the empty string', ''],
  ['a space', ' '],
  ['a tab', '\t'],
  ['a dot', '.'],
  ['two dots', '..'],
  ['the reserved word', 'shared'],
  ['an underscore in front', '_x'],
  ['a lone underscore', '_'],
  ['__proto__', '__proto__'],
  ['a slash', 'a/b'],
  ['a backslash', 'a\\b'],
  ['an encoded slash', 'a%2fb'],
  ['an encoded dot', '%2e%2e'],
  ['a one dot leader', '\u2024'],
  ['a two dot leader', '\u2025'],
  ['a full-width dot', '\uff0e\uff0e'],
  ['a full-width slash', 'a\uff0fb'],
  ['a Cyrillic a', '\u0430cme'],
  ['a NUL', 'acme\u0000'],
  ['65 characters', 'x'.repeat(65)],
  ['300 characters', 'x'.repeat(300)],
  ['a newline at the end', 'acme\n'],
  ['a carriage return at the end', 'acme\r'],
  ['a line separator at the end', 'acme\u2028'],
  ['a space at the end', 'acme '],
  ['a space in front', ' acme'],
  ['two lines', 'acme\nevil'],
  ['a zero width space', 'ac\u200bme'],
  ['a half surrogate', 'acme\ud800'],
  ['undefined', undefined],
  ['null', null],
  ['a number', 7],
  ['an array that reads like an id', ['acme']],
  ['an object that reads like an id', { toString: () => 'acme' }],
  ['a String object', new String('acme')],
]

describe('a tenant id', () => {
  it.each(BAD_TENANTS)('is refused: %s', (_, id) => {
    expect(thrownCode(() => assertTenantId(id))).toBe('ERR_TENANT_INVALID')
  })

  it.each(['a', 'acme', 'ACME', 'acme-corp', 't1', 'T1', 't10', '-x', '0', 'a_b', 'Shared', 'x'.repeat(64)])(
    'is accepted: %s',
    id => {
      expect(thrownCode(() => assertTenantId(id))).toBe('none')
    },
  )

  it('is never anything but 1 to 64 of [A-Za-z0-9_-]', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 70 }), id => {
        const fine = [...id].every(c =>
          'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-'.includes(c),
        )
        const expected = fine && id.length >= 1 && id.length <= 64 && id[0] !== '_' && id !== 'shared'
        expect(thrownCode(() => assertTenantId(id))).toBe(expected ? 'none' : 'ERR_TENANT_INVALID')
      }),
    )
  })

  it('is not repeated in the message, which may be shown to a stranger', () => {
    expect(() => assertTenantId('<script>')).toThrowError(expect.not.stringContaining('<script>'))
  })
})

describe('an object key', () => {
  it.each([
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    './a',
    '../a',
    'a/..',
    'a/../b',
    'a/./b',
    'a\\b',
    '..\\a',
    'a\u0000b',
    'a\nb',
    'a\u007fb',
    'C:\\x',
    '\\\\host\\share',
    '\ud800',
    'a/\udc00',
    'x'.repeat(1025),
    'é'.repeat(513),
  ])('is refused: %j', key => {
    expect(thrownCode(() => assertObjectKey(key))).toBe('ERR_KEY_INVALID')
  })

  it.each([undefined, null, 7, ['a'], { length: 1 }])('is refused when it is no string: %j', key => {
    expect(thrownCode(() => assertObjectKey(key))).toBe('ERR_KEY_INVALID')
  })

  it.each([
    'a',
    'a.b',
    '...',
    '..a',
    'a..',
    'a/b/c',
    '%2e%2e/a',
    'a b',
    'Prüfung 报告.pdf',
    '😀',
    'x'.repeat(1024),
  ])('is accepted: %j', key => {
    expect(thrownCode(() => assertObjectKey(key))).toBe('none')
  })
})

describe('the prefix of a listing', () => {
  it.each(['', 'a/', 'a/b/'])('is accepted: %j', prefix => {
    expect(thrownCode(() => assertListPrefix(prefix))).toBe('none')
  })

  it.each(['a', '/', '../', 'a//', 'a/../', './', '\\/', undefined, null, ['a/']])(
    'is refused: %j',
    prefix => {
      expect(thrownCode(() => assertListPrefix(prefix))).toBe('ERR_KEY_INVALID')
    },
  )
})

describe('a location or folder', () => {
  it.each(['media', 'order_files', 'a/b', 'A-1'])('is accepted: %j', value => {
    expect(thrownCode(() => assertPathOfWords(value, 'folder'))).toBe('none')
  })

  it.each([
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    'a/../b',
    'a.b',
    'a b',
    'a\n',
    'ä',
    '.tenant-files',
    undefined,
    null,
  ])('is refused: %j', value => {
    expect(thrownCode(() => assertPathOfWords(value, 'folder'))).toBe('ERR_CONFIG')
  })
})

const word = fc.string({ unit: fc.constantFrom(...'abAB01_-'), minLength: 1, maxLength: 6 })
const location = fc.array(word, { minLength: 1, maxLength: 3 }).map(words => words.join('/'))
const tenant = fc
  .string({ unit: fc.constantFrom(...'abAB01_-'), minLength: 1, maxLength: 64 })
  .filter(id => !id.startsWith('_') && id !== 'shared')
const key = fc
  .array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 })
  .map(segments => segments.join('/'))
  .filter(text => thrownCode(() => assertObjectKey(text)) === 'none')

function ownerOf(tenancy: Tenancy, id: string): string | null {
  if (tenancy === 'none') return null
  return tenancy === 'shared' ? 'shared' : id
}

describe('building and parsing', () => {
  it('are each the inverse of the other', () => {
    const tenancy = fc.constantFrom<Tenancy>('required', 'shared', 'none')
    fc.assert(
      fc.property(location, tenancy, tenant, key, (place, kind, id, below) => {
        const space = { location: place, tenancy: kind }
        const owner = ownerOf(kind, id)
        expect(parseObjectKey(space, keyPrefix(space, owner) + below)).toEqual({ tenant: owner, key: below })
      }),
    )
  })

  it('give back exactly the text that was parsed, or nothing', () => {
    const messy = fc
      .array(fc.constantFrom('media', 'acme', 'shared', '..', '.', '', '_x', 'a b', 'é', '%2f'))
      .map(parts => parts.join('/'))
    fc.assert(
      fc.property(
        fc.constantFrom<Tenancy>('required', 'shared', 'none'),
        fc.oneof(messy, fc.string()),
        (kind, text) => {
          const space = { location: 'media', tenancy: kind }
          const parsed = parseObjectKey(space, text)
          if (parsed !== undefined) expect(keyPrefix(space, parsed.tenant) + parsed.key).toBe(text)
        },
      ),
    )
  })

  it('never give a key of one tenant to another', () => {
    const space = { location: 'media', tenancy: 'required' } as const
    fc.assert(
      fc.property(tenant, tenant, key, (a, b, below) => {
        fc.pre(a !== b)
        expect(parseObjectKey(space, keyPrefix(space, a) + below)?.tenant).not.toBe(b)
        expect((keyPrefix(space, a) + below).startsWith(keyPrefix(space, b))).toBe(false)
      }),
    )
  })

  it('never give a key of one disk to another whose location does not lie in it', () => {
    fc.assert(
      fc.property(location, location, tenant, key, (a, b, id, below) => {
        fc.pre(!`${a}/`.startsWith(`${b}/`) && !`${b}/`.startsWith(`${a}/`))
        const objectKey = keyPrefix({ location: a, tenancy: 'required' }, id) + below
        for (const tenancy of ['required', 'shared', 'none'] as const)
          expect(parseObjectKey({ location: b, tenancy }, objectKey)).toBeUndefined()
      }),
    )
  })

  it.each([
    'media',
    'media/',
    'media/acme',
    'media/acme/',
    'media//x',
    'media/../x',
    'media/acme/../other/x',
    'media/_x/a',
    'media/shared/a',
    'mediax/acme/a',
    'Media/acme/a',
    'other/acme/a',
    '/media/acme/a',
    '',
    'media/a%2fb/c',
  ])('find no tenant in %j', objectKey => {
    expect(parseObjectKey({ location: 'media', tenancy: 'required' }, objectKey)).toBeUndefined()
  })

  it('keep shared files and files of tenants apart', () => {
    const [shared, required] = [
      { location: 'media', tenancy: 'shared' },
      { location: 'media', tenancy: 'required' },
    ] as const
    expect(parseObjectKey(shared, 'media/shared/a')).toEqual({ tenant: 'shared', key: 'a' })
    expect(parseObjectKey(required, 'media/shared/a')).toBeUndefined()
    expect(parseObjectKey(shared, 'media/acme/a')).toBeUndefined()
    expect(parseObjectKey(shared, 'media/shared-not/a')).toBeUndefined()
  })
})

describe('the start of all keys of an owner', () => {
  it('ends with a slash, so that acme is never acme-corp', () => {
    expect(keyPrefix({ location: 'media', tenancy: 'required' }, 'acme')).toBe('media/acme/')
  })

  it.each([null, '', '.', '..', 'shared', 'a/b', '../other'])('is not made for the tenant %j', id => {
    expect(thrownCode(() => keyPrefix({ location: 'media', tenancy: 'required' }, id))).toBe(
      'ERR_TENANT_INVALID',
    )
  })
})

describe('the key of a new file', () => {
  it('is folder, id and extension', () => {
    expect(newFileKey('order_files', 'id', 'pdf')).toBe('order_files/id.pdf')
  })

  it.each(['', '../x', 'PDF', 'p.d', 'a/b', 'tar gz', 'x'.repeat(11), 'pdf\n'])(
    'ends with .bin for the extension %j',
    extension => {
      expect(newFileKey('f', 'id', extension)).toBe('f/id.bin')
    },
  )

  it.each(['..', '', '/x', 'a//b'])('is refused in the folder %j', folder => {
    expect(thrownCode(() => newFileKey(folder, 'id', 'pdf'))).toBe('ERR_KEY_INVALID')
  })
})
