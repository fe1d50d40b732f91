import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { fromColumnText, toColumnText } from '../../src/core/column-value.js'
import { StorageError } from '../../src/core/errors.js'
import { onStorageEvent, type StorageEvents } from '../../src/core/events.js'
import {
  isStoredFile,
  mintStoredFile,
  StoredFile,
  type StoredFileData,
  type StoredFileHome,
} from '../../src/core/stored-file.js'
import { codeOf, thrownCode } from './errors-of.js'

const DATA: StoredFileData = {
  disk: 'media',
  backend: 'local',
  tenant: 'acme',
  key: 'order_files/1.pdf',
  name: 'Prüfung 报告.pdf',
  size: 5,
  type: 'application/pdf',
  sha256: 'a'.repeat(64),
}
const home: StoredFileHome = {
  urlOf: file => `/files/${file.key}`,
  signedUrlOf: async file => `/signed/${file.key}`,
  streamOf: async () => {
    throw new StorageError('ERR_FILE_NOT_FOUND', 'There is no such file.')
  },
}
const broken: StoredFileHome = {
  ...home,
  urlOf: () => {
    throw new StorageError('ERR_TENANT_REQUIRED', 'No tenant.')
  },
}
const file = mintStoredFile({ home }, DATA)

describe('a stored file', () => {
  const forgeries: [string, unknown][] = [
    ['parsed JSON with all its fields', JSON.parse(JSON.stringify(DATA))],
    ['its own JSON', JSON.parse(JSON.stringify(file))],
    ['an object with its prototype', Object.assign(Object.create(StoredFile.prototype), DATA)],
    ['parsed JSON with its prototype', Object.setPrototypeOf({ ...DATA }, StoredFile.prototype)],
    ['an object that has it as its prototype', Object.create(file)],
    ['a spread of it', { ...file }],
    ['a structured clone of it', structuredClone(file)],
    ['a proxy of it', new Proxy(file, {})],
    ['null', null],
    ['undefined', undefined],
    ['text', JSON.stringify(DATA)],
  ]

  it('that the library made is one', () => {
    expect(isStoredFile(file)).toBe(true)
  })

  it.each(forgeries)('is not %s', (_, forged) => {
    expect(isStoredFile(forged)).toBe(false)
  })

  it.each(forgeries.slice(0, 8))('cannot be written to a column when it is %s', (_, forged) => {
    expect(thrownCode(() => toColumnText(forged as StoredFile))).toBe('ERR_FILE_FORGED')
  })

  it.each(forgeries.slice(2, 5).concat([forgeries[7] as [string, unknown]]))(
    'gives no URL, no bytes and no error in JSON when it is %s',
    async (_, forged) => {
      const look = forged as StoredFile
      expect(thrownCode(() => look.url)).toBe('ERR_FILE_FORGED')
      expect(await codeOf(() => look.signedUrl())).toBe('ERR_FILE_FORGED')
      expect(await codeOf(() => look.stream())).toBe('ERR_FILE_FORGED')
      expect(look.toJSON().url).toBeNull()
    },
  )

  it('cannot be made with new, also not through its own constructor or a subclass', () => {
    class Evil extends StoredFile {}
    for (const Class of [StoredFile, file.constructor as typeof StoredFile, Evil]) {
      for (const mint of [Symbol('mint'), Symbol.for('mint'), undefined, true])
        expect(thrownCode(() => new Class(mint as symbol, DATA, { home }, undefined))).toBe('ERR_FILE_FORGED')
    }
  })

  it('is frozen', () => {
    expect(Object.isFrozen(file)).toBe(true)
    expect(() => Object.assign(file, { tenant: 'evil' })).toThrow(TypeError)
    expect(() => Object.defineProperty(file, 'url', { value: 'x' })).toThrow(TypeError)
  })

  it('has just the fields that it was made with', () => {
    expect(Object.keys(file)).toEqual(['disk', 'backend', 'tenant', 'key', 'name', 'size', 'type', 'sha256'])
    const versioned = mintStoredFile({ home }, { ...DATA, version: 'v1', scan: undefined })
    expect({ ...versioned }).toEqual({ ...DATA, version: 'v1' })
    expect('scan' in versioned).toBe(false)
  })

  it('takes no field that is none of its own', () => {
    const odd = mintStoredFile({ home }, {
      ...DATA,
      url: 'https://evil.example',
      toJSON: 7,
    } as StoredFileData)
    expect(Object.keys(odd)).toEqual(Object.keys(file))
    expect(odd.url).toBe('/files/order_files/1.pdf')
  })

  it('does not sign a URL that nobody reads', () => {
    let signed = 0
    const counting = mintStoredFile(
      {
        home: {
          ...home,
          urlOf: () => {
            signed += 1
            return 'u'
          },
        },
      },
      DATA,
    )
    inspect(counting)
    Object.entries(counting)
    counting.equals(counting)
    expect(signed).toBe(0)
    expect(counting.url).toBe('u')
    expect(signed).toBe(1)
  })

  it('shows clients its name, size, type and URL, never key, tenant or backend', () => {
    expect(JSON.parse(JSON.stringify({ id: 1, file }))).toEqual({
      id: 1,
      file: { name: DATA.name, size: 5, type: 'application/pdf', url: '/files/order_files/1.pdf' },
    })
  })

  it('shows a null URL where none can be given, and says why in an event', () => {
    const seen: StorageEvents['unresolved'][] = []
    const stop = onStorageEvent('unresolved', event => void seen.push(event))
    const json = mintStoredFile({ home: broken }, DATA).toJSON()
    stop()
    expect(json.url).toBeNull()
    expect(seen).toMatchObject([
      {
        disk: 'media',
        backend: 'local',
        tenant: 'acme',
        key: DATA.key,
        error: { code: 'ERR_TENANT_REQUIRED' },
      },
    ])
  })
})

describe('equals', () => {
  it('compares disk, tenant and key', () => {
    expect(file.equals(mintStoredFile({ home }, { ...DATA, name: 'other', size: 1 }))).toBe(true)
    for (const change of [
      { disk: 'other' },
      { tenant: 'acme-corp' },
      { tenant: null },
      { key: 'order_files/2.pdf' },
    ])
      expect(file.equals(mintStoredFile({ home }, { ...DATA, ...change }))).toBe(false)
  })

  it('ignores the backend, since moving house is no replacement', () => {
    expect(file.equals(mintStoredFile({ home }, { ...DATA, backend: 'spaces' }))).toBe(true)
  })

  it.each([null, undefined, DATA, 'text', 7])('is false for %j', other => {
    expect(file.equals(other)).toBe(false)
  })

  it('tells two files apart that nobody can read', () => {
    const unreadable = fromColumnText({ home }, 'legacy/a.pdf')
    expect(unreadable.equals(fromColumnText({ home }, 'legacy/b.pdf'))).toBe(false)
    expect(unreadable.equals(fromColumnText({ home }, 'legacy/a.pdf'))).toBe(true)
  })
})
