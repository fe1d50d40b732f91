import { parse } from 'content-disposition'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { contentDisposition, storedDisposition } from '../../src/core/content-disposition.js'
import { assertFileName } from '../../src/core/file-name.js'
import { thrownCode } from './errors-of.js'

describe('a file name', () => {
  it.each([
    ['nothing', ''],
    ['spaces', '   '],
    ['a path', '../../x'],
    ['a Windows path', 'C:\\x'],
    ['a dot', '.'],
    ['two dots', '..'],
    ['a line break', 'a\r\nX-Evil: 1'],
    ['a NUL', 'a\u0000.pdf'],
    ['an escape', 'a\u001b[31m'],
    ['a C1 control', 'a\u0085b'],
    ['a right-to-left override', 'exe\u202egnp.pdf'],
    ['an isolate', 'a\u2066b'],
    ['a line separator', 'a\u2028b'],
    ['256 characters', 'x'.repeat(256)],
    ['300 characters', `${'x'.repeat(296)}.pdf`],
    ['half a surrogate pair', 'a\ud83d.png'],
    ['no string', undefined],
    ['an array', ['a.pdf']],
  ])('is refused: %s', (_, name) => {
    expect(thrownCode(() => assertFileName(name))).toBe('ERR_FILE_NAME')
  })

  it.each([
    'a.pdf',
    'Prüfung 报告.pdf',
    'מסמך.pdf',
    '\u200fמסמך.pdf',
    'ملف.txt',
    '😀.png',
    '👩‍👩‍👧.png',
    '"quoted".txt',
    '100%.txt',
    'a;b=c.txt',
    '.htaccess',
    '...',
    'x'.repeat(255),
    "O'Neill & Sons.pdf",
    'CON',
  ])('is accepted: %j', name => {
    expect(thrownCode(() => assertFileName(name))).toBe('none')
  })

  it('never holds what splits a header or a path', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), name => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what is refused
        if (/[\r\n\u0000/\\]/.test(name)) expect(thrownCode(() => assertFileName(name))).toBe('ERR_FILE_NAME')
      }),
    )
  })
})

const anyName = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.string({
    unit: fc.constantFrom(
      '"',
      '\\',
      '%',
      ';',
      '=',
      "'",
      ' ',
      '\r',
      '\n',
      'é',
      '\ud800',
      '\udc00',
      '😀',
      '\u202e',
      '/',
      '*',
      '\uff02',
      'a',
    ),
  }),
)

describe('Content-Disposition', () => {
  it('is plain for a plain name', () => {
    expect(contentDisposition('inline', 'invoice 7.pdf')).toBe('inline; filename="invoice 7.pdf"')
  })

  it('has the true name in filename* and a readable one in filename', () => {
    expect(contentDisposition('attachment', 'Prüfung 报告.pdf')).toBe(
      `attachment; filename="Prufung __.pdf"; filename*=UTF-8''Pr%C3%BCfung%20%E6%8A%A5%E5%91%8A.pdf`,
    )
  })

  it.each([
    'Prüfung 报告.pdf',
    '"quoted".pdf',
    'back\\slash.pdf',
    '100%.pdf',
    '%41.pdf',
    'a;b.pdf',
    'a=b, c.pdf',
    "it's (1).pdf",
    'מסמך.pdf',
    'a\u202eb.pdf',
    '😀.png',
    '👩‍👩‍👧.png',
    'a*b.pdf',
    "UTF-8''x.pdf",
    ' padded ',
    'e\u0301.pdf',
    'ﬁ.pdf',
    '\uff02.pdf',
    'a\tb',
    'a\r\nX-Evil: 1',
  ])('gives %j back when it is parsed', name => {
    expect(parse(contentDisposition('attachment', name))).toEqual({
      type: 'attachment',
      parameters: { filename: name },
    })
  })

  it('never splits a header, whatever the name', () => {
    fc.assert(
      fc.property(fc.constantFrom('inline' as const, 'attachment' as const), anyName, (disposition, name) => {
        const header = contentDisposition(disposition, name)
        expect(header).toMatch(
          /^(inline|attachment); filename="[ !#$&-.0-[\]-~]*"(; filename\*=UTF-8''[A-Za-z0-9!#$&+.^_`|~%-]*)?$/,
        )
      }),
      { numRuns: 1000 },
    )
  })

  it('always gives the true name back, with broken Unicode replaced', () => {
    fc.assert(
      fc.property(anyName, name => {
        expect(parse(contentDisposition('attachment', name)).parameters.filename).toBe(name.toWellFormed())
      }),
      { numRuns: 1000 },
    )
  })
})

describe('a disposition that is stored with an object', () => {
  it('is the same for all names but very long ones', () => {
    for (const name of ['invoice 7.pdf', 'Prüfung 报告.pdf', `${'a'.repeat(251)}.pdf`])
      expect(storedDisposition('inline', name)).toBe(contentDisposition('inline', name))
  })

  it('fits into what S3 takes, and keeps the extension and whole characters', () => {
    for (const stem of [
      '报'.repeat(251),
      '😀'.repeat(125),
      `a${'😀'.repeat(125)}`,
      '.'.repeat(20) + '報'.repeat(231),
    ]) {
      const header = storedDisposition('attachment', `${stem}.pdf`)
      const { filename = '' } = parse(header).parameters
      expect(header.length).toBeLessThanOrEqual(1_500)
      expect(filename.endsWith('.pdf')).toBe(true)
      expect(stem.startsWith(filename.slice(0, -4))).toBe(true)
      expect(filename.length).toBeGreaterThan(100)
    }
  })
})
