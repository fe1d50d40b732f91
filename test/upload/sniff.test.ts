import { Readable } from 'node:stream'
import { describe, expect, it, test } from 'vitest'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { storeFile } from '../../src/upload/index.js'
import { extensionFor, sniffType } from '../../src/upload/sniff.js'
import { COMPOUND_FILE, GIF, JPG, officeFile, PDF, PNG, padded, zip } from './sample-files.js'
import { asAcme, errorOf, storageOver } from './support.js'

const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'
const XLSX = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'
const PPTX = 'application/vnd.openxmlformats-officedocument.presentationml.presentation'
const SVG = '<svg xmlns="http://www.w3.org/2000/svg"/>'
const BOM = '\ufeff'
const utf16le = (text: string): Buffer => Buffer.from(`\ufeff${text}`, 'utf16le')
const utf16be = (text: string): Buffer => utf16le(text).swap16()

const typeOf = (body: Buffer | string, name: string): Promise<string> => sniffType(Buffer.from(body), name)

describe('the type of a file comes from its bytes', () => {
  test.each([
    ['a png', PNG, 'image/png'],
    ['a jpg', JPG, 'image/jpeg'],
    ['a gif', GIF, 'image/gif'],
    ['a pdf', PDF, 'application/pdf'],
    ['a zip', zip([{ name: 'a.txt', body: 'hello' }]), 'application/zip'],
    ['a streamed zip', zip([{ name: 'a.txt', body: 'hello' }], 'streamed'), 'application/zip'],
    ['an old Office file', COMPOUND_FILE, 'application/x-cfb'],
  ])('of %s, whatever its name says', async (_what, bytes, type) => {
    expect(await typeOf(bytes, 'a.txt')).toBe(type)
    expect(await typeOf(bytes, 'no extension')).toBe(type)
    expect(await typeOf(bytes, 'page.html')).toBe(type)
  })

  test.each([
    ['docx', 'stored', 'types', DOCX],
    ['xlsx', 'stored', 'types', XLSX],
    ['pptx', 'stored', 'types', PPTX],
    ['docx', 'streamed', 'types', DOCX],
    ['xlsx', 'streamed', 'types', XLSX],
    ['pptx', 'streamed', 'types', PPTX],
    ['docx', 'stored', 'part', DOCX],
    ['docx', 'streamed', 'part', DOCX],
    ['xlsx', 'streamed', 'part', XLSX],
  ] as const)('of a %s that was %s with its %s first', async (kind, how, first, type) => {
    expect(await typeOf(officeFile(kind, how, first), `a.${kind}`)).toBe(type)
  })

  test.each([
    ['doc', 'application/msword'],
    ['xls', 'application/vnd.ms-excel'],
    ['ppt', 'application/vnd.ms-powerpoint'],
  ])('of an old Office file, where the extension .%s tells which', async (extension, type) => {
    expect(await typeOf(COMPOUND_FILE, `a.${extension}`)).toBe(type)
  })

  it('a zip without the parts of Office stays a zip, whatever its extension', async () => {
    expect(await typeOf(zip([{ name: 'a.txt', body: 'hello' }]), 'a.docx')).toBe('application/zip')
  })

  test.each(['constructor', '__proto__', 'toString', 'hasOwnProperty'])(
    'an extension called %s is an unknown one',
    async extension => {
      expect(await typeOf(COMPOUND_FILE, `a.${extension}`)).toBe('application/x-cfb')
      expect(await typeOf(zip([{ name: 'a', body: '' }]), `a.${extension}`)).toBe('application/zip')
      expect(await typeOf('text', `a.${extension}`)).toBe('application/octet-stream')
    },
  )
})

describe('markup is what a browser would run', () => {
  test.each([
    ['a doctype', '<!DOCTYPE html><title>x</title>'],
    ['a tag', '<html><body>'],
    ['a tag in capitals', '<HTML>'],
    ['a script', '<script>alert(1)</script>'],
    ['blanks and a tag', ' \r\n\t <p>'],
    ['a comment', '<!-- hello --><p>'],
    ['an unfinished comment', '<!-- hello'],
    ['a byte order mark', `${BOM}<html>`],
    ['a foreign element', '<foo>'],
    ['a doctype and an svg', '<!DOCTYPE html><svg></svg>'],
    ['a processing instruction', '<?php echo 1 ?><p>'],
  ])('%s begins html', async (_what, text) => {
    expect(await typeOf(text, 'a.txt')).toBe('text/html')
    expect(await typeOf(text, 'a.png')).toBe('text/html')
    expect(await typeOf(text, 'noextension')).toBe('text/html')
  })

  test.each([
    ['bare', SVG],
    ['with a prolog', `<?xml version="1.0" encoding="UTF-8"?>\n${SVG}`],
    ['after a comment', `<!-- drawn by hand -->${SVG}`],
    ['after a prolog, comments and blanks', `<?xml version="1.0"?> <!-- a --> \n<!-- > -->${SVG}`],
    [
      'with a doctype',
      `<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">${SVG}`,
    ],
    ['with a doctype that has an internal subset', `<!DOCTYPE svg [<!ENTITY a "b">]>${SVG}`],
    ['with a byte order mark', BOM + SVG],
    ['with a byte order mark and a prolog', `${BOM}<?xml version="1.0"?>${SVG}`],
    ['with a namespace prefix', '<s:svg xmlns:s="http://www.w3.org/2000/svg"/>'],
    ['with capitals', '<SVG>'],
  ])('an svg %s is image/svg+xml', async (_how, text) => {
    expect(await typeOf(text, 'a.svg')).toBe('image/svg+xml')
    expect(await typeOf(text, 'a.png')).toBe('image/svg+xml')
  })

  test.each([
    ['html in little-endian UTF-16', utf16le('<html>'), 'text/html'],
    ['html in big-endian UTF-16', utf16be('<html>'), 'text/html'],
    ['svg in little-endian UTF-16', utf16le(SVG), 'image/svg+xml'],
    ['svg in big-endian UTF-16', utf16be(SVG), 'image/svg+xml'],
    ['svg with a prolog in little-endian UTF-16', utf16le(`<?xml version="1.0"?>${SVG}`), 'image/svg+xml'],
    ['svg with a prolog in big-endian UTF-16', utf16be(`<?xml version="1.0"?>${SVG}`), 'image/svg+xml'],
    ['xml', Buffer.from('<?xml version="1.0"?><a/>'), 'application/xml'],
    [
      'xml with an internal subset',
      Buffer.from('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a/>'),
      'application/xml',
    ],
    ['xhtml', Buffer.from('<?xml version="1.0"?><html xmlns="x"/>'), 'application/xhtml+xml'],
    [
      'xhtml with a doctype',
      Buffer.from('<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN"><html/>'),
      'application/xhtml+xml',
    ],
  ])('%s is known', async (_what, bytes, type) => {
    expect(await typeOf(bytes, 'a.png')).toBe(type)
  })

  it('a comparison is no markup', async () => {
    expect(await typeOf('<3 love', 'a.txt')).toBe('text/plain')
  })

  it('64 KiB of unfinished prologs take no time', async () => {
    const began = performance.now()
    for (const piece of ['<?', '<!--', '<!doctype ', '<!---->', '<?x?>', ' <!doctype html', '<a:'])
      await typeOf(padded('<!-- x -->', 65_536, piece), 'a.xml')
    expect(performance.now() - began).toBeLessThan(2_000)
  })
})

describe('text is told apart by its extension', () => {
  test.each([
    ['csv', 'text/csv'],
    ['json', 'application/json'],
    ['md', 'text/markdown'],
    ['txt', 'text/plain'],
    ['js', 'text/javascript'],
    ['CSV', 'text/csv'],
  ])('.%s', async (extension, type) => {
    expect(await typeOf('ä text, 报告', `a.${extension}`)).toBe(type)
  })

  test.each([
    ['a binary extension', 'text', 'a.png'],
    ['no extension', 'text', 'README'],
    ['a dot at the end', 'text', 'a.'],
    ['an extension nobody knows', 'text', 'a.zzzz'],
    ['NUL in it', 'te\0xt', 'a.txt'],
    ['bytes that are no UTF-8', Buffer.from('M\xfcller', 'latin1'), 'a.txt'],
  ])('with %s it is unknown', async (_what, body, name) => {
    expect(await typeOf(body, name)).toBe('application/octet-stream')
  })

  test.each(['BMW,320i\n', 'MZ;Mainz\n', 'FWS,Fort Wayne\n', 'ID3,4\n', 'BZh,x\n', 'MP+,1\n'])(
    '%j is no picture, program or sound',
    async text => {
      expect(await typeOf(text, 'a.csv')).toBe('text/csv')
      expect(await typeOf(padded(text, 70_000, 'x,y\n').subarray(0, 65_536), 'a.csv')).toBe('text/csv')
    },
  )

  test.each([
    ['BM\x36\0\0\0\0\0\0\0\x36\0\0\0', 'image/bmp'],
    ['MZ\x90\0\x03\0\0\0', 'application/x-msdownload'],
  ])('%j is none', async (start, type) => {
    expect(await typeOf(padded(Buffer.from(start, 'latin1'), 300, '\0'), 'a.csv')).toBe(type)
  })

  it('binary junk is unknown', async () => {
    const junk = Buffer.from(Array.from({ length: 5000 }, (_each, index) => (index * 167 + 13) % 256))
    expect(await typeOf(junk, 'a.txt')).toBe('application/octet-stream')
  })

  it('a character that is cut at the end of the head does not make it binary', async () => {
    expect(await typeOf(padded('ä', 65_536), 'a.txt')).toBe('text/plain')
    const cut = Buffer.concat([Buffer.alloc(65_535, 'x'), Buffer.from([0xe6])])
    expect(await typeOf(cut, 'a.txt')).toBe('text/plain')
  })

  it('one byte and no byte at all have a type too', async () => {
    expect(await typeOf('x', 'a.txt')).toBe('text/plain')
    expect(await typeOf('<', 'a.txt')).toBe('text/plain')
    expect(await typeOf('', 'a.csv')).toBe('text/csv')
    expect(await typeOf('', 'a.png')).toBe('application/octet-stream')
  })
})

describe('broken files', () => {
  const whole = [PNG, JPG, GIF, PDF, officeFile('docx'), officeFile('xlsx', 'streamed'), COMPOUND_FILE]

  it('never make the sniffing fail, however they are cut', async () => {
    for (const bytes of whole)
      for (let length = 0; length < Math.min(bytes.length, 400); length += 3)
        expect(await sniffType(bytes.subarray(0, length), 'a.docx')).toMatch(/^[a-z]+\/[a-z0-9.+-]+$/)
  })

  it('never make the sniffing fail, whatever byte is wrong', async () => {
    for (const bytes of whole)
      for (let at = 0; at < Math.min(bytes.length, 400); at += 2) {
        const broken = Buffer.from(bytes)
        broken[at] = (broken[at] ?? 0) ^ 0xff
        expect(await sniffType(broken, 'a.docx')).toMatch(/^[a-z]+\/[a-z0-9.+-]+$/)
      }
  })
})

describe('the extension of a key', () => {
  test.each([
    ['image/png', 'a.png', 'png'],
    ['image/png', 'a.txt', 'png'],
    ['image/jpeg', 'a.jpeg', 'jpeg'],
    ['image/jpeg', 'a.JPG', 'jpg'],
    ['text/html', 'a.png', 'html'],
    ['application/octet-stream', 'a.zzzz', 'bin'],
    ['application/x-unheard-of', 'a', 'bin'],
  ])('of %s called %s is %s', (type, name, extension) => {
    expect(extensionFor(type, name)).toBe(extension)
  })
})

describe('accepted types', () => {
  const accepting = (accept: string[], body: Buffer | string, name: string) =>
    asAcme(() =>
      storeFile(storageOver(new MemoryDriver()), Buffer.from(body), { folder: 'pictures', accept }, { name }),
    )

  it('html called .png is refused where pictures are wanted', async () => {
    const error = await errorOf(accepting(['image/*'], '<html><script>alert(1)</script>', 'a.png'))
    expect(error).toMatchObject({ code: 'ERR_FILE_TYPE', status: 415 })
    expect(error.message).toContain('text/html')
    expect(error.message).toContain('image/*')
  })

  it('svg is refused where pictures are wanted', async () => {
    expect(await errorOf(accepting(['image/*'], SVG, 'a.svg'))).toMatchObject({ code: 'ERR_FILE_TYPE' })
  })

  it('svg is accepted where it is named', async () => {
    expect(await accepting(['image/*', 'image/svg+xml'], SVG, 'a.svg')).toMatchObject({
      type: 'image/svg+xml',
    })
  })

  it('a type is the same for a Buffer and for a stream, also where the bytes that matter come late', async () => {
    const body = padded('a,b\n', 200_000)
    body[150_000] = 0
    const storage = storageOver(new MemoryDriver())
    const store = (from: Buffer | Readable) =>
      asAcme(() => storeFile(storage, from, { folder: 'lists' }, { name: 'a.csv' }))
    const pieces = Array.from({ length: 20 }, (_each, index) =>
      body.subarray(index * 10_000, (index + 1) * 10_000),
    )
    const [whole, streamed] = [await store(body), await store(Readable.from(pieces))]
    expect(whole.type).toBe(streamed.type)
    expect(whole.sha256).toBe(streamed.sha256)
  })
})
