import { deflateRawSync, gzipSync } from 'node:zlib'
import { describe, expect, it, test } from 'vitest'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { storeFile } from '../../src/upload/index.js'
import { plainMagic } from '../../src/upload/plain-magic.js'
import { sniffType } from '../../src/upload/sniff.js'
import { COMPOUND_FILE, GIF, JPG, officeFile, PDF, PNG, padded, zip } from './sample-files.js'
import { asAcme, errorOf, keysOf, storageOver } from './support.js'

const CSV = Buffer.from('a,b\n1,2\n')
const HTML = Buffer.from('<!doctype html><script>alert(1)</script>')
const EXE = padded('MZ\x90\0', 200, '\0')

async function stored(body: Buffer, name: string, type?: string, rules = {}) {
  const driver = new MemoryDriver()
  const storage = storageOver(driver)
  const file = await asAcme(() => storeFile(storage, body, { folder: 'files', ...rules }, { name, type }))
  return { file, keys: await keysOf(driver) }
}

describe('a name or a claimed type that the bytes belie is refused', () => {
  test.each<[string, Buffer, string, string | undefined]>([
    ['html called png', HTML, 'photo.png', undefined],
    ['html called pdf', HTML, 'a.pdf', 'application/pdf'],
    ['html sent as a picture', HTML, 'noextension', 'image/png'],
    ['svg called jpg', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'a.jpg', 'image/jpeg'],
    ['a program called pdf', EXE, 'invoice.pdf', 'application/pdf'],
    ['a program called docx', EXE, 'letter.docx', undefined],
    ['a zip called png', zip([{ name: 'a', body: 'b' }]), 'a.png', 'image/png'],
    ['a pdf called txt', PDF, 'a.txt', 'text/plain'],
    ['a pdf called exe', PDF, 'a.exe', undefined],
    ['a picture called mp4', PNG, 'a.mp4', 'video/mp4'],
    ['a picture whose name is right and whose type is not', PNG, 'a.png', 'text/html'],
  ])('%s', async (_what, body, name, type) => {
    const error = await errorOf(stored(body, name, type))
    expect(error).toMatchObject({ code: 'ERR_FILE_TYPE', status: 415 })
  })

  it('and the message says what was claimed and what the bytes are', async () => {
    const error = await errorOf(stored(HTML, 'photo.png', 'image/png'))
    expect(error.message).toBe(
      'By its bytes this is a file of type text/html (by its name image/png, sent as image/png). Name and type of a file must fit its contents.',
    )
    const odd = await errorOf(stored(HTML, 'photo.png', 'image/png\r\nx: <script>'))
    expect(odd.message).not.toContain('script>')
  })

  it('unless the rules say to store it, under the type of its bytes', async () => {
    const { file, keys } = await stored(HTML, 'photo.png', 'image/png', { mismatch: 'store' })
    expect(file).toMatchObject({ name: 'photo.png', type: 'text/html' })
    expect(keys).toEqual([expect.stringMatching(/\.html$/)])
  })

  it('and not accepted all the same where its type is not', async () => {
    const rules = { mismatch: 'store', accept: ['image/*'] }
    expect(await errorOf(stored(HTML, 'photo.png', 'image/png', rules))).toMatchObject({
      code: 'ERR_FILE_TYPE',
    })
  })
})

describe('what real clients claim is taken', () => {
  test.each<[string, Buffer, string, string | undefined, string]>([
    ['a png called jpg', PNG, 'a.jpg', 'image/jpeg', 'image/png'],
    ['jpeg as image/jpg', JPG, 'a.jpeg', 'image/jpg', 'image/jpeg'],
    ['jpeg as image/pjpeg', JPG, 'a.JPG', 'image/pjpeg', 'image/jpeg'],
    ['csv from a Windows with Excel', CSV, 'a.csv', 'application/vnd.ms-excel', 'text/csv'],
    ['csv as text/plain', CSV, 'a.csv', 'text/plain', 'text/csv'],
    ['anything as octets', PDF, 'a.pdf', 'application/octet-stream', 'application/pdf'],
    ['anything without a type', PDF, 'a.pdf', '', 'application/pdf'],
    ['a type with parameters', CSV, 'a.csv', 'text/csv; charset=utf-8', 'text/csv'],
    ['pdf as application/x-pdf', PDF, 'a.PDF', 'application/x-pdf', 'application/pdf'],
    ['a name without an extension', PDF, 'scan', undefined, 'application/pdf'],
    ['an extension that nobody knows', PDF, 'scan.xyz123', undefined, 'application/pdf'],
    [
      'a zip of Windows',
      zip([{ name: 'a', body: 'b' }]),
      'a.zip',
      'application/x-zip-compressed',
      'application/zip',
    ],
    [
      'a docx called doc',
      officeFile('docx'),
      'a.doc',
      'application/msword',
      'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    ],
    ['a doc called docx', COMPOUND_FILE, 'a.docx', undefined, 'application/x-cfb'],
    [
      'a zip with parts of nothing called docx',
      zip([{ name: 'a', body: 'b' }]),
      'a.docx',
      undefined,
      'application/zip',
    ],
    [
      'Markdown that begins with a tag',
      Buffer.from('<p align="center">'),
      'README.md',
      'text/markdown',
      'text/html',
    ],
    [
      'text in an old encoding',
      Buffer.from('M\xfcller;1', 'latin1'),
      'a.csv',
      'text/csv',
      'application/octet-stream',
    ],
    ['TypeScript', Buffer.from('const a = 1'), 'a.ts', 'video/mp2t', 'application/octet-stream'],
    ['a gzipped archive', gzipSync('x'), 'a.tar.gz', 'application/x-gzip', 'application/gzip'],
    ['an archive called tgz', gzipSync('x'), 'a.tgz', 'application/x-compressed', 'application/gzip'],
  ])('%s', async (_what, body, name, type, found) => {
    expect((await stored(body, name, type)).file).toMatchObject({ name, type: found })
  })
})

describe('a file of two minds is stored under the type that is safe', () => {
  test.each<[string, Buffer, string, string]>([
    ['a gif with html in it', Buffer.concat([GIF, HTML]), 'a.gif', 'image/gif'],
    [
      'a pdf with an archive behind it',
      Buffer.concat([PDF, zip([{ name: 'a', body: 'b' }])]),
      'a.pdf',
      'application/pdf',
    ],
    ['html with a pdf in it', Buffer.concat([HTML, PDF]), 'a.html', 'text/html'],
    [
      'a comment of html in front of an svg',
      Buffer.from('<!-- x --><svg onload="a()">'),
      'a.svg',
      'image/svg+xml',
    ],
  ])('%s', async (_what, body, name, type) => {
    expect((await stored(body, name)).file.type).toBe(type)
  })
})

describe('bombs are looked at no further than their first 64 KiB', () => {
  const deflated = deflateRawSync(Buffer.alloc(64 * 1024 * 1024)).subarray(0, 60_000)
  const entries = Array.from({ length: 800 }, (_each, index) => ({ name: `${index}.txt`, body: '' }))
  test.each<[string, Buffer]>([
    ['gzip', gzipSync(Buffer.alloc(64 * 1024 * 1024))],
    ['a zip that grows a thousandfold', zip([{ name: '[Content_Types].xml', body: deflated }])],
    ['a zip of a great many files', zip(entries)],
    ['a png of a great many chunks', padded('\x89PNG\r\n\x1a\n', 65_536, '\0')],
    ['an ID3 tag of any size', padded('ID3\x04\0\0\x7f\x7f\x7f\x7f', 65_536, '\0')],
    ['boxes of mp4 in boxes', padded('\0\0\0\x18ftypmp42', 65_536, '\0\0\0\x08moov')],
    ['tags of tiff', padded('II*\0\x08\0\0\0\xff\xff', 65_536, '\xff')],
    ['elements of matroska', padded('\x1a\x45\xdf\xa3\x81', 65_536, '\x42\x86\x81\x01')],
  ])('%s', async (_what, bomb) => {
    const began = process.cpuUsage()
    expect(await sniffType(bomb.subarray(0, 65_536), 'a.bin')).toMatch(/^[a-z]+\/[a-z0-9.+-]+$/)
    const { user, system } = process.cpuUsage(began)
    expect(user + system).toBeLessThan(2_000_000)
  })
})

describe('a magic number that leaves no doubt', () => {
  const types: [string, Buffer, string | undefined][] = [
    ['a png', PNG, 'image/png'],
    ['a jpg', JPG, 'image/jpeg'],
    ['a gif', GIF, 'image/gif'],
    ['a pdf', PDF, 'application/pdf'],
    ['a webp', Buffer.from('RIFF\x20\0\0\0WEBPVP8 ', 'latin1'), 'image/webp'],
    ['a JPEG-LS', Buffer.from('ffd8fff7', 'hex'), undefined],
    ['a wave', Buffer.from('RIFF\x20\0\0\0WAVEfmt ', 'latin1'), undefined],
    ['a png without its header', Buffer.concat([PNG.subarray(0, 8), PNG.subarray(33)]), undefined],
    ['a png that is cut in its header', PNG.subarray(0, 20), undefined],
    ['no byte', Buffer.alloc(0), undefined],
  ]

  test.each(types)('of %s is told at once', (_what, bytes, type) => {
    expect(plainMagic(bytes)).toBe(type)
  })

  it('tells an animated png from a plain one', () => {
    const control = Buffer.concat([Buffer.from('\0\0\0\x08acTL', 'latin1'), Buffer.alloc(12)])
    const animated = Buffer.concat([PNG.subarray(0, 33), control, PNG.subarray(33)])
    expect(plainMagic(animated)).toBe('image/apng')
  })
})
