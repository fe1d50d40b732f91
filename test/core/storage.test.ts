import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { fromColumnText, toColumnText } from '../../src/core/column-value.js'
import type { DiskOptions } from '../../src/core/disk-options.js'
import { StorageError } from '../../src/core/errors.js'
import { onStorageEvent, type StorageEvents } from '../../src/core/events.js'
import { createStorage, type StorageOptions } from '../../src/core/storage.js'
import { mintStoredFile, type StoredFileData } from '../../src/core/stored-file.js'
import { runWithTenant } from '../../src/core/tenant.js'
import { codeOf, thrownCode } from './errors-of.js'
import { SpyDriver } from './spy-driver.js'

const SECRET = 'a secret of enough length'
const BASE = '/files'
const MEDIA: DiskOptions = { location: 'media', visibility: 'private', tenancy: 'required' }
const storageOf = (options: Partial<StorageOptions> = {}) =>
  createStorage({ secret: SECRET, backends: { local: new SpyDriver() }, ...options })
const asAcme = <T>(fn: () => T): T => runWithTenant('acme', fn)
const tailOf = (url: string) => url.slice(BASE.length)

describe('the options of a storage', () => {
  it.each<[string, Record<string, unknown>]>([
    ['without a secret', { secret: undefined }],
    ['with an empty secret', { secret: '' }],
    ['with no secret in the list', { secret: [] }],
    ['with a short secret in the list', { secret: [SECRET, 'short'] }],
    ['with a number as the secret', { secret: 1234567890123456 }],
    ['without backends', { backends: {} }],
    ['with a misspelled option', { writesTo: 'local' }],
    [
      'with a misspelled option of a disk',
      { disks: { media: { ...MEDIA, encyption: { algorithm: 'AES256' } } } },
    ],
    ['with a misspelled option of urls', { urls: { expireIn: 60 } }],
    [
      'with a misspelled option of a URL rule',
      { urls: { rules: [{ type: ['text/plain'], expiresIn: 60 }] } },
    ],
    ['with a misspelled option of uploads', { uploads: { idelTimeout: 5 } }],
    ['with several backends and no writeTo', { backends: { a: new SpyDriver(), b: new SpyDriver() } }],
    ['with a location that climbs', { disks: { media: { ...MEDIA, location: '../x' } } }],
    ['with a location of the driver itself', { disks: { media: { ...MEDIA, location: '.tenant-files' } } }],
    ['with an empty location', { disks: { media: { ...MEDIA, location: '' } } }],
    ['with a misspelled visibility', { disks: { media: { ...MEDIA, visibility: 'privat' } } }],
    ['without a visibility', { disks: { media: { ...MEDIA, visibility: undefined } } }],
    ['with a misspelled tenancy', { disks: { media: { ...MEDIA, tenancy: 'requried' } } }],
    ['without a tenancy', { disks: { media: { ...MEDIA, tenancy: undefined } } }],
    ['with a misspelled overwrite', { disks: { media: { ...MEDIA, overwrite: true } } }],
    ['with a life of a disk that is none', { disks: { media: { ...MEDIA, expiresIn: -1 } } }],
    ['with a life of URLs that is none', { urls: { expiresIn: 0 } }],
    ['with an idle time that is none', { uploads: { idleTimeout: 0 } }],
    ['with a deadline beyond what timers can wait', { uploads: { deadline: 30 * 86_400 } }],
    ['with a deadline that is no number', { uploads: { deadline: Number.NaN } }],
  ])('are refused %s', (_, options) => {
    expect(thrownCode(() => storageOf(options as Partial<StorageOptions>))).toBe('ERR_CONFIG')
  })

  it('are refused when writeTo names a backend that is not there', () => {
    expect(thrownCode(() => storageOf({ writeTo: 'spaces' }))).toBe('ERR_BACKEND_UNKNOWN')
  })

  it('are refused without the secret being repeated', () => {
    expect(() => storageOf({ secret: 'hunter2' })).toThrowError(expect.not.stringContaining('hunter2'))
  })

  const PUBLIC: DiskOptions = { ...MEDIA, visibility: 'public' }
  it.each<[string, Record<string, DiskOptions>]>([
    ['a public one in a private one', { a: MEDIA, b: { ...PUBLIC, location: 'media/open' } }],
    ['a private one in a public one', { a: { ...MEDIA, location: 'media/secret' }, b: PUBLIC }],
    ['deep below another', { a: MEDIA, b: { ...MEDIA, location: 'media/a/b/c' } }],
    ['twice the same', { a: MEDIA, b: { ...MEDIA } }],
    ['twice the same, one without tenants', { a: MEDIA, b: { ...MEDIA, tenancy: 'none' } }],
    [
      'the shared one without tenants beside it',
      { a: { ...MEDIA, tenancy: 'shared' }, b: { ...MEDIA, tenancy: 'none' } },
    ],
    ['two shared ones', { a: { ...MEDIA, tenancy: 'shared' }, b: { ...MEDIA, tenancy: 'shared' } }],
    [
      'one called as the shared segment of another',
      { a: { ...MEDIA, tenancy: 'shared' }, b: { ...MEDIA, location: 'media/shared' } },
    ],
  ])('are refused when locations nest: %s', (_, disks) => {
    expect(thrownCode(() => storageOf({ disks }))).toBe('ERR_CONFIG')
    expect(
      thrownCode(() => storageOf({ disks: Object.fromEntries(Object.entries(disks).toReversed()) })),
    ).toBe('ERR_CONFIG')
  })

  it('may have locations that begin alike, and the shared files beside those of tenants', () => {
    const disks = {
      a: MEDIA,
      b: { ...MEDIA, location: 'media2' },
      c: { ...MEDIA, location: 'med' },
      d: { ...MEDIA, tenancy: 'shared' },
    } as const
    expect(storageOf({ disks }).diskNames).toEqual(['a', 'b', 'c', 'd'])
  })

  it('never let an object key belong to two disks', () => {
    const location = fc
      .array(fc.constantFrom('a', 'b', 'shared', 'acme'), { minLength: 1, maxLength: 3 })
      .map(parts => parts.join('/'))
    const disk = fc.record({
      location,
      visibility: fc.constantFrom('private' as const, 'public' as const),
      tenancy: fc.constantFrom('required' as const, 'shared' as const, 'none' as const),
    })
    const key = fc
      .array(fc.constantFrom('a', 'b', 'shared', 'acme', 'x.txt'), { minLength: 1, maxLength: 6 })
      .map(parts => parts.join('/'))
    fc.assert(
      fc.property(disk, disk, key, (a, b, objectKey) => {
        fc.pre(thrownCode(() => storageOf({ disks: { a, b } })) === 'none')
        const owners = [{ a }, { b }].filter(disks => {
          const signed = storageOf({ disks: { only: { ...Object.values(disks)[0]!, visibility: 'public' } } })
          return thrownCode(() => signed.verifyUrl(`/local/${objectKey}`)) === 'none'
        })
        expect(owners.length).toBeLessThanOrEqual(1)
      }),
      { numRuns: 500 },
    )
  })

  it('know the default disks', () => {
    const storage = storageOf()
    expect(storage.diskNames).toEqual(['media', 'public-media', 'static', 'shared'])
    expect(storage.disk('media').options).toMatchObject({ visibility: 'private', tenancy: 'required' })
    expect(thrownCode(() => storage.disk('nowhere'))).toBe('ERR_DISK_UNKNOWN')
    for (const name of ['__proto__', 'constructor', 'toString', ''])
      expect(thrownCode(() => storage.disk(name))).toBe('ERR_DISK_UNKNOWN')
  })

  it('may choose the backend of new files by tenant', async () => {
    const [a, b] = [new SpyDriver(), new SpyDriver()]
    const storage = storageOf({ backends: { a, b }, writeTo: tenant => (tenant === 'acme' ? 'a' : 'b') })
    const put = () => storage.disk('media').put('a.txt', Buffer.from('x'), { contentType: 'text/plain' })
    expect((await asAcme(put)).backend).toBe('a')
    expect((await runWithTenant('globex', put)).backend).toBe('b')
    expect([a.keys, b.keys]).toEqual([['media/acme/a.txt'], ['media/globex/a.txt']])
  })

  it('say so when the choice names a backend that is not there', async () => {
    const storage = storageOf({ writeTo: () => 'nowhere' })
    const put = () => storage.disk('media').put('a.txt', Buffer.from('x'), { contentType: 'text/plain' })
    expect(await asAcme(() => codeOf(put))).toBe('ERR_BACKEND_UNKNOWN')
  })
})

it.each(['', '.', '..', 'a/b', 'a b', 'x'.repeat(65)])('refuses a backend called %j', name => {
  expect(thrownCode(() => storageOf({ backends: { [name]: new SpyDriver() } }))).toBe('ERR_CONFIG')
})

it('refuses a URL rule for a disk that is not there', () => {
  const urls = { rules: [{ disks: ['medai'], expiresIn: 60 }] }
  expect(thrownCode(() => storageOf({ urls }))).toBe('ERR_CONFIG')
})

describe('ready', () => {
  it('loads and warms every driver once, however many wait for it', async () => {
    let loaded = 0
    const driver = new SpyDriver()
    const storage = storageOf({
      backends: {
        lazy: async () => {
          loaded += 1
          await sleep(5)
          return driver
        },
      },
    })
    await Promise.all([
      storage.ready(),
      storage.ready(),
      asAcme(() => codeOf(() => storage.disk('media').head('a'))),
    ])
    await storage.ready()
    expect([loaded, driver.readied]).toEqual([1, 1])
  })

  it('tells everybody who waits of the failure, and may be tried again', async () => {
    const driver = new SpyDriver()
    let attempts = 0
    const storage = storageOf({
      backends: {
        lazy: async () => {
          attempts += 1
          if (attempts === 1) throw new StorageError('ERR_BACKEND', 'not yet')
          return driver
        },
      },
    })
    expect(await Promise.all([1, 2, 3].map(() => codeOf(() => storage.ready())))).toEqual(
      Array(3).fill('ERR_BACKEND'),
    )
    await Promise.all([storage.ready(), storage.ready()])
    expect([attempts, driver.readied]).toEqual([2, 1])
  })

  it('never loads a second driver beside a slow one when another backend fails', async () => {
    let loads = 0
    let isBroken = true
    const slow = async () => {
      loads += 1
      await sleep(20)
      return new SpyDriver()
    }
    const flaky = async () => {
      if (isBroken) throw new StorageError('ERR_BACKEND', 'not yet')
      return new SpyDriver()
    }
    const storage = storageOf({ backends: { slow, flaky }, writeTo: 'slow' })
    expect(await codeOf(() => storage.ready())).toBe('ERR_BACKEND')
    isBroken = false
    await storage.ready()
    expect(loads).toBe(1)
  })

  it('is waited for by backend: one that cannot be reached does not stop the others', async () => {
    const broken = async () => {
      throw new StorageError('ERR_BACKEND', 'unreachable')
    }
    const storage = storageOf({ backends: { broken, fine: new SpyDriver() }, writeTo: 'fine' })
    expect(await codeOf(() => storage.ready())).toBe('ERR_BACKEND')
    const put = () => storage.disk('media').put('a.txt', Buffer.from('a'), { contentType: 'text/plain' })
    expect(await asAcme(put)).toMatchObject({ backend: 'fine', size: 1 })
  })

  it('must come before URLs are read from a driver that is loaded', async () => {
    const storage = storageOf({ backends: { lazy: async () => new SpyDriver({ signs: true }) } })
    const url = () => asAcme(() => storage.disk('media').url('a.txt'))
    expect(thrownCode(url)).toBe('ERR_NOT_READY')
    await storage.ready()
    expect(url()).toContain('https://bucket.example/media/acme/a.txt')
  })

  it('may come again after close', async () => {
    const driver = new SpyDriver()
    const storage = storageOf({ backends: { local: driver } })
    await storage.ready()
    await storage.close()
    await storage.ready()
    expect([driver.readied, driver.closed]).toEqual([2, 1])
  })
})

describe('an address that serveFiles is asked for', () => {
  beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2026, 10, 23, 12), toFake: ['Date'] }))
  afterEach(() => void vi.useRealTimers())
  const storage = storageOf()
  const signed = (of = storage, tenant = 'acme') =>
    tailOf(
      runWithTenant(tenant, () => of.disk('media').url('f/a b.txt', { type: 'text/plain', name: 'ä.txt' })),
    )

  it('says which file it permits to read, and how to answer', () => {
    expect(storage.verifyUrl(signed())).toEqual({
      address: { disk: 'media', backend: 'local', tenant: 'acme', key: 'f/a b.txt' },
      visibility: 'private',
      expires: Date.UTC(2026, 10, 23, 13) / 1000,
      contentType: 'text/plain; charset=utf-8',
      contentDisposition: `inline; filename="a.txt"; filename*=UTF-8''%C3%A4.txt`,
    })
  })

  it('is refused when it has expired', () => {
    const tail = signed()
    vi.setSystemTime(Date.UTC(2026, 10, 23, 13) - 1)
    expect(thrownCode(() => storage.verifyUrl(tail))).toBe('none')
    vi.setSystemTime(Date.UTC(2026, 10, 23, 13))
    expect(thrownCode(() => storage.verifyUrl(tail))).toBe('ERR_URL_EXPIRED')
  })

  it('is refused for another tenant, disk or backend than it was signed for', () => {
    for (const [from, to] of [
      ['/acme/', '/acme-corp/'],
      ['/media/', '/public-media/'],
      ['/local/', '/spaces/'],
    ] as const)
      expect(thrownCode(() => storage.verifyUrl(signed().replace(from, to)))).toBe('ERR_URL_INVALID')
  })

  it.each(['/local/media/acme/a.txt', '/local/media/shared/a.txt'])(
    'is refused without a signature when the file is private: %s',
    tail => {
      expect(thrownCode(() => storage.verifyUrl(tail))).toBe('ERR_URL_INVALID')
    },
  )

  it('needs no signature when the file is public', () => {
    expect(storage.verifyUrl('/local/public-media/acme/f/a.png')).toEqual({
      address: { disk: 'public-media', backend: 'local', tenant: 'acme', key: 'f/a.png' },
      visibility: 'public',
    })
    expect(storage.verifyUrl('/local/static/css/a.css').address).toEqual({
      disk: 'static',
      backend: 'local',
      tenant: null,
      key: 'css/a.css',
    })
  })

  it.each([
    '',
    '/',
    '/local',
    '/local/',
    '/local/public-media',
    '/local/public-media/',
    '/local/public-media/acme',
    '/local/public-media/acme/',
    '/local/public-media/shared/a',
    '/local/public-media/_x/a',
    '/local/public-media/../media/acme/a',
    '/local/public-media/%2e%2e/media/acme/a',
    '/local/public-media%2facme/a',
    '/local/public-media/acme/a?x=1',
    '/local/public-media/acme/a?',
    '/nowhere/public-media/acme/a',
    '/local/nowhere/a',
    '//public-media/acme/a',
    '/local//public-media/acme/a',
    '/local/.tenant-files/headers/a',
    '/local/public-media/acme/a%00',
    '/local/public-media/acme/%',
    'local/public-media/acme/a',
  ])('is refused when it is %j', tail => {
    expect(thrownCode(() => storage.verifyUrl(tail))).toBe('ERR_URL_INVALID')
  })

  it('of one storage is nothing to another', () => {
    const other = storageOf({ secret: 'another secret of enough length' })
    expect(thrownCode(() => other.verifyUrl(signed()))).toBe('ERR_URL_INVALID')
    expect(thrownCode(() => storage.verifyUrl(signed(other)))).toBe('ERR_URL_INVALID')
  })

  it('stays good while its secret is being replaced', () => {
    const rotated = storageOf({ secret: ['a brand new secret, long enough', SECRET] })
    expect(thrownCode(() => rotated.verifyUrl(signed()))).toBe('none')
    expect(thrownCode(() => storage.verifyUrl(signed(rotated)))).toBe('ERR_URL_INVALID')
  })

  it('never leads to a private file unless it was signed for just that file', () => {
    const part = fc.constantFrom(
      'local',
      'media',
      'public-media',
      'static',
      'acme',
      'shared',
      '..',
      '.',
      '',
      '%2e%2e',
      'a',
      '?expires=9999999999',
      '&signature=x',
    )
    fc.assert(
      fc.property(
        fc.array(part).map(parts => `/${parts.join('/')}`),
        tail => {
          if (thrownCode(() => storage.verifyUrl(tail)) === 'none')
            expect(storage.verifyUrl(tail).visibility).toBe('public')
        },
      ),
      { numRuns: 1000 },
    )
  })
})

describe('a file of a storage', () => {
  const DATA: StoredFileData = {
    disk: 'media',
    backend: 'local',
    tenant: 'acme',
    key: 'f/a.txt',
    name: 'a.txt',
    size: 5,
    type: 'text/plain',
    sha256: null,
  }

  it('gives its bytes, its URL and its signed URL to its tenant', async () => {
    const storage = storageOf()
    const file = mintStoredFile({ home: storage }, DATA)
    await asAcme(async () => {
      await storage.disk('media').put('f/a.txt', Buffer.from('hello'), { contentType: 'text/plain' })
      expect((await file.bytes()).toString()).toBe('hello')
      expect(await text(await file.stream({ range: { suffix: 2 } }))).toBe('lo')
      expect(storage.verifyUrl(tailOf(file.url)).address.key).toBe('f/a.txt')
      const url = await file.signedUrl({ disposition: 'attachment', expiresIn: 60 })
      expect(storage.verifyUrl(tailOf(url)).contentDisposition).toBe('attachment; filename="a.txt"')
    })
  })

  it.each([undefined, 'acme-corp', 'ACME'])('gives nothing to %s', async tenant => {
    const denied: StorageEvents['denied'][] = []
    const stop = onStorageEvent('denied', event => void denied.push(event))
    const spy = new SpyDriver()
    const file = mintStoredFile({ home: storageOf({ backends: { local: spy } }) }, DATA)
    const attempt = () =>
      Promise.all(
        [() => file.url, () => file.signedUrl(), () => file.stream(), () => file.bytes()].map(codeOf),
      )
    const codes = await (tenant === undefined ? attempt() : runWithTenant(tenant, attempt))
    expect(new Set(codes)).toEqual(
      new Set([tenant === undefined ? 'ERR_TENANT_REQUIRED' : 'ERR_TENANT_MISMATCH']),
    )
    expect((tenant === undefined ? file.toJSON() : runWithTenant(tenant, () => file.toJSON())).url).toBeNull()
    stop()
    expect(denied).toHaveLength(tenant === undefined ? 0 : 5)
    expect(spy.calls).toEqual([])
  })

  it.each([
    ['backend', 'gone', 'ERR_BACKEND_UNKNOWN'],
    ['disk', 'gone', 'ERR_DISK_UNKNOWN'],
    ['key', '../acme-corp/a', 'ERR_KEY_INVALID'],
  ] as const)(
    'loads from a row with an odd %s, and refuses only when it is used',
    async (field, value, code) => {
      const file = fromColumnText(
        { home: storageOf() },
        toColumnText(mintStoredFile({ home: storageOf() }, { ...DATA, [field]: value })),
      )
      await asAcme(async () => {
        expect(thrownCode(() => file.url)).toBe(code)
        expect(await codeOf(() => file.signedUrl())).toBe(code)
        expect(await codeOf(() => file.bytes())).toBe(code)
        expect(file.toJSON()).toEqual({ name: 'a.txt', size: 5, type: 'text/plain', url: null })
      })
    },
  )

  it('has the same text in every storage, and the URL of its own', () => {
    const [one, two] = [
      storageOf(),
      storageOf({ secret: 'another secret of enough length', baseUrl: 'https://two.example/f' }),
    ]
    const text = toColumnText(mintStoredFile({ home: one }, DATA))
    const [a, b] = [fromColumnText({ home: one }, text), fromColumnText({ home: two }, text)]
    expect(toColumnText(b)).toBe(text)
    asAcme(() => {
      expect(a.url).toMatch(/^\/files\/local\/media\/acme\/f\/a\.txt\?/)
      expect(b.url).toMatch(/^https:\/\/two\.example\/f\/local\/media\/acme\/f\/a\.txt\?/)
      expect(thrownCode(() => one.verifyUrl(b.url.slice('https://two.example/f'.length)))).toBe(
        'ERR_URL_INVALID',
      )
    })
  })
})
