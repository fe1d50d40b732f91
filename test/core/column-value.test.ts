import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromColumnText, toColumnText } from '../../src/core/column-value.js'
import {
  isStoredFile,
  mintStoredFile,
  type StoredFileData,
  type StoredFileHome,
} from '../../src/core/stored-file.js'
import { codeOf, thrownCode } from './errors-of.js'

const home: StoredFileHome = {
  urlOf: () => '/u',
  signedUrlOf: async () => '/s',
  streamOf: async () => {
    throw new Error('unused')
  },
}
const DATA: StoredFileData = {
  disk: 'media',
  backend: 'local',
  tenant: 'acme',
  key: 'order_files/1.pdf',
  name: 'a.pdf',
  size: 5,
  type: 'application/pdf',
  sha256: null,
}
const CANONICAL =
  '{"v":1,"disk":"media","backend":"local","tenant":"acme","key":"order_files/1.pdf","name":"a.pdf","size":5,"type":"application/pdf","sha256":null}'

const data: fc.Arbitrary<StoredFileData> = fc.record(
  {
    disk: fc.string(),
    backend: fc.string(),
    tenant: fc.option(fc.string()),
    key: fc.string({ unit: 'binary' }),
    name: fc.string({ unit: 'binary' }),
    size: fc.nat(),
    type: fc.string(),
    sha256: fc.option(fc.string()),
    version: fc.string(),
    encoding: fc.string(),
    storedSize: fc.nat(),
    scan: fc.string(),
  },
  { requiredKeys: ['disk', 'backend', 'tenant', 'key', 'name', 'size', 'type', 'sha256'] },
)

describe('the text of a file column', () => {
  it('has its fields in a fixed order', () => {
    const shuffled = Object.fromEntries(Object.entries(DATA).toReversed()) as unknown as StoredFileData
    expect(toColumnText(mintStoredFile({ home }, shuffled))).toBe(CANONICAL)
  })

  it('leaves the optional fields out where they are absent, and ends with them in order where not', () => {
    const full = mintStoredFile(
      { home },
      {
        ...DATA,
        scan: 'clean',
        storedSize: 3,
        encoding: 'gzip',
        version: 'v1',
      },
    )
    expect(toColumnText(full)).toBe(
      `${CANONICAL.slice(0, -1)},"version":"v1","encoding":"gzip","storedSize":3,"scan":"clean"}`,
    )
  })

  it('holds no URL', () => {
    expect(toColumnText(mintStoredFile({ home }, DATA))).not.toContain('url')
  })

  it('gives the same file and the same text back, whatever the file', () => {
    fc.assert(
      fc.property(data, fields => {
        const text = toColumnText(mintStoredFile({ home }, fields))
        const read = fromColumnText({ home }, text)
        expect({ ...read }).toEqual(fields)
        expect(toColumnText(read)).toBe(text)
      }),
    )
  })

  it('that was written in another order is written back to the letter', () => {
    const text = `{ "sha256": null, ${CANONICAL.slice(1, -',"sha256":null}'.length)}, "future": [1, 2] }`
    const read = fromColumnText({ home }, text)
    expect(read.key).toBe(DATA.key)
    expect(toColumnText(read)).toBe(text)
  })

  const UNREADABLE = [
    '',
    ' ',
    'null',
    'true',
    '7',
    '"text"',
    '[]',
    '{}',
    'uploads/old.pdf',
    '{"v":1',
    CANONICAL.replace('"v":1', '"v":2'),
    CANONICAL.replace('"v":1,', ''),
    CANONICAL.replace('"v":1', '"v":"1"'),
    CANONICAL.replace('"size":5', '"size":"5"'),
    CANONICAL.replace('"acme"', '7'),
    CANONICAL.replace('"key":"order_files/1.pdf",', ''),
    CANONICAL.replace('"sha256":null', '"sha256":1'),
    `\ufeff${CANONICAL}`,
    '\u0000',
    '\ud800',
  ]

  it.each(UNREADABLE)('that nobody can read loads, and is written back to the letter: %j', async text => {
    const read = fromColumnText({ home }, text)
    expect(isStoredFile(read)).toBe(true)
    expect(toColumnText(read)).toBe(text)
    expect(thrownCode(() => read.url)).toBe('ERR_BACKEND_UNKNOWN')
    expect(await codeOf(() => read.signedUrl())).toBe('ERR_BACKEND_UNKNOWN')
    expect(await codeOf(() => read.bytes())).toBe('ERR_BACKEND_UNKNOWN')
    expect(read.toJSON().url).toBeNull()
  })

  it('is read without an error and written back to the letter, whatever it is', () => {
    const almost = fc
      .tuple(fc.nat(CANONICAL.length), fc.string({ unit: 'binary', maxLength: 3 }))
      .map(([at, more]) => CANONICAL.slice(0, at) + more + CANONICAL.slice(at + 1))
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json(), almost), text => {
        const read = fromColumnText({ home }, text)
        expect(toColumnText(read)).toBe(text)
        expect(toColumnText(fromColumnText({ home }, toColumnText(read)))).toBe(text)
      }),
      { numRuns: 1000 },
    )
  })

  it('cannot reach the prototype of anything', () => {
    const text = `{"__proto__":{"polluted":true},${CANONICAL.slice(1)}`
    const read = fromColumnText({ home }, text)
    expect(read.key).toBe(DATA.key)
    expect('polluted' in {} || 'polluted' in read).toBe(false)
  })
})
