import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  createStorage,
  type Driver,
  runAsSystem,
  runWithTenant,
  type UrlRequest,
} from '../../src/core/index.js'
import { mintStoredFile, type StoredFileData, type StoredFileOrigin } from '../../src/core/stored-file.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { codeOf, thrownCode } from './errors-of.js'
import { SpyDriver } from './spy-driver.js'

const DATA: StoredFileData = {
  disk: 'media',
  backend: 'spy',
  tenant: 'acme',
  key: 'order_files/1.pdf',
  name: 'Order 1.pdf',
  size: 5,
  type: 'application/pdf',
  sha256: null,
}
const NOW = Date.UTC(2026, 10, 25, 12, 0, 0)

function setUp(origin: Omit<StoredFileOrigin, 'home'> = {}, data: Partial<StoredFileData> = {}) {
  const driver = new SpyDriver({ signs: true })
  const storage = createStorage({ secret: 'a secret of the tests', backends: { spy: driver } })
  return { driver, storage, file: mintStoredFile({ home: storage, ...origin }, { ...DATA, ...data }) }
}
const asAcme = <T>(fn: () => T) => runWithTenant('acme', fn)

afterEach(() => void vi.useRealTimers())

describe('the URL of a file', () => {
  it('is signed once in a window, however often it is read', () => {
    vi.useFakeTimers({ now: NOW, toFake: ['Date'] })
    const { driver, file } = setUp()
    const first = asAcme(() => file.url)
    for (let i = 0; i < 5; i++) expect(asAcme(() => file.url)).toBe(first)
    expect(driver.calls).toHaveLength(1)
    vi.setSystemTime(NOW + 1_800_000)
    expect(asAcme(() => file.url)).not.toBe(first)
    expect(driver.calls).toHaveLength(2)
  })

  it('is signed anew when the clock was set back: it would begin in the future', () => {
    vi.useFakeTimers({ now: NOW, toFake: ['Date'] })
    const { driver, file } = setUp()
    asAcme(() => file.url)
    vi.setSystemTime(NOW - 7_200_000)
    asAcme(() => file.url)
    expect(driver.calls.map(({ options }) => (options as { at: number }).at)).toEqual([NOW, NOW - 7_200_000])
  })

  it('that credentials cut short is signed anew at every reading, so that fresh ones are taken at once', () => {
    vi.useFakeTimers({ now: NOW, toFake: ['Date'] })
    const { driver, file } = setUp()
    let end = NOW + 300_000
    Object.assign(driver, { signableFor: (at: number) => Math.floor((end - at) / 1000) })
    const lives = () => {
      asAcme(() => file.url)
      return (driver.calls.at(-1)!.options as { expiresIn: number }).expiresIn
    }
    expect(lives()).toBe(300)
    end = NOW + 7_200_000
    expect(lives()).toBe(3600)
    expect(driver.calls).toHaveLength(2)
    lives()
    expect(driver.calls).toHaveLength(2)
  })

  it('that was given to its tenant is given to no other', () => {
    const { file } = setUp()
    asAcme(() => file.url)
    expect(thrownCode(() => runWithTenant('globex', () => file.url))).toBe('ERR_TENANT_MISMATCH')
    expect(thrownCode(() => file.url)).toBe('ERR_TENANT_REQUIRED')
  })

  it('that one storage gave is not what another one gives', () => {
    const { file } = setUp()
    const { storage: other, driver } = setUp()
    asAcme(() => file.url)
    asAcme(() => other.disk('media').url(file))
    expect(driver.calls).toHaveLength(1)
  })

  it('of other facts than its own is not the one that was given before', () => {
    const { storage, driver, file } = setUp()
    asAcme(() => file.url)
    asAcme(() => storage.disk('media').url(file, { name: 'other.pdf', type: 'application/pdf' }))
    expect(driver.calls.at(-1)?.options).toMatchObject({ contentDisposition: 'inline; filename="other.pdf"' })
  })

  it('lives as long as its column says, unless the call says otherwise', async () => {
    const { driver, file } = setUp({ column: { expiresIn: 120, disposition: 'attachment' } })
    asAcme(() => file.url)
    expect(driver.calls.at(-1)?.options).toMatchObject({
      expiresIn: 120,
      contentDisposition: 'attachment; filename="Order 1.pdf"',
    })
    await asAcme(() => file.signedUrl({ expiresIn: 30, disposition: 'inline' }))
    expect(driver.calls.at(-1)?.options).toMatchObject({
      expiresIn: 30,
      contentDisposition: 'inline; filename="Order 1.pdf"',
    })
  })
})

describe('a signed URL on request', () => {
  it('has the name, type and method of the call', async () => {
    const { driver, file } = setUp()
    await asAcme(() => file.signedUrl({ filename: 'b.txt', contentType: 'text/plain', method: 'HEAD' }))
    expect(driver.calls.at(-1)?.options).toMatchObject({
      method: 'HEAD',
      contentType: 'text/plain; charset=utf-8',
      contentDisposition: 'inline; filename="b.txt"',
    })
  })

  it.each([
    ['a harmless type for active content', 'text/html', 'image/png'],
    ['an active type for harmless content', 'image/png', 'text/html'],
  ])('stays an attachment with %s', async (_, type, contentType) => {
    const { driver, file } = setUp({}, { type })
    await asAcme(() => file.signedUrl({ contentType, disposition: 'inline' }))
    expect(driver.calls.at(-1)?.options).toMatchObject({
      contentDisposition: 'attachment; filename="Order 1.pdf"',
    })
  })

  it.each<[string, Record<string, unknown>]>([
    ['a life of 0', { expiresIn: 0 }],
    ['a negative life', { expiresIn: -1 }],
    ['a life that is no number', { expiresIn: Number.NaN }],
    ['a life in words', { expiresIn: '60' }],
    ['a life above the cap', { expiresIn: 604_801 }],
    ['a type with a line break', { contentType: 'text/plain\r\nX-Evil: 1' }],
    ['a type that is none', { contentType: 'pdf' }],
    ['a disposition that does not exist', { disposition: 'inline; filename=evil.html' }],
    ['names in a list, as a query string may hold them', { filename: ['a"b.pdf'] }],
    ['types in a list', { contentType: ['text/html'] }],
    ['a type that is an object', { contentType: new String('text/html') }],
    ['a method that would change the file', { method: 'PUT' }],
    ['a method that would delete the file', { method: 'DELETE' }],
  ])('is refused for %s', async (_, request) => {
    const { driver, file } = setUp()
    expect(await codeOf(() => asAcme(() => file.signedUrl(request as UrlRequest)))).toBe('ERR_CONFIG')
    expect(driver.calls).toEqual([])
  })

  it.each(['a"b.pdf', 'a\r\nX-Evil: 1.pdf', 'a;b.pdf', "a'b.pdf", 'a\\b.pdf', '\u202Efdp.exe'])(
    'never lets the name %j out of its quotes',
    async filename => {
      const { driver, file } = setUp()
      await asAcme(() => file.signedUrl({ filename }))
      const { contentDisposition } = driver.calls.at(-1)!.options as { contentDisposition: string }
      expect(contentDisposition).toMatch(
        /^inline; filename="[^"\r\n\\]*"(; filename\*=UTF-8''[A-Za-z0-9.%_~!#$&+^`|-]*)?$/,
      )
    },
  )
})

describe('signMany', () => {
  it('gives the URLs in the order of the files', async () => {
    const { storage } = setUp()
    const files = [3, 1, 2].map(n =>
      mintStoredFile({ home: storage }, { ...DATA, key: `order_files/${n}.pdf` }),
    )
    const urls = await asAcme(() => storage.disk('media').signMany(files, { expiresIn: 60 }))
    expect(urls.map(url => url.match(/(\d)\.pdf/)?.[1])).toEqual(['3', '1', '2'])
    expect(urls.every(url => url.endsWith('expiresIn=60'))).toBe(true)
  })

  it("gives none at all when one file is another tenant's", async () => {
    const { storage, driver, file } = setUp()
    const theirs = mintStoredFile({ home: storage }, { ...DATA, tenant: 'globex' })
    const disk = storage.disk('media')
    expect(await codeOf(() => asAcme(() => disk.signMany([file, theirs])))).toBe('ERR_TENANT_MISMATCH')
    expect(driver.calls).toEqual([])
    expect(await runAsSystem('an export', () => disk.signMany([file, theirs]))).toHaveLength(2)
  })
})

describe('a driver that must ask for each signature', () => {
  const driver: Driver = Object.assign(new MemoryDriver(), {
    async signUrlRemotely(key: string): Promise<string> {
      await sleep(1)
      return `https://signed-elsewhere.example/${key}`
    },
  })
  const storage = createStorage({ secret: 'a secret of the tests', backends: { spy: driver } })
  const file = mintStoredFile({ home: storage }, DATA)

  it('is asked by those who can wait', async () => {
    const expected = 'https://signed-elsewhere.example/media/acme/order_files/1.pdf'
    expect(await asAcme(() => file.signedUrl())).toBe(expected)
    expect(await asAcme(() => storage.disk('media').signMany([file]))).toEqual([expected])
  })

  it('is not asked for what lives longer than its signatures do', async () => {
    const short = Object.assign(new MemoryDriver(), {
      capabilities: { ...driver.capabilities, maxExpiresIn: 60 },
      signUrlRemotely: driver.signUrlRemotely,
    })
    const home = createStorage({ secret: 'a secret of the tests', backends: { spy: short } })
    const theirs = mintStoredFile({ home }, DATA)
    expect(await asAcme(() => theirs.signedUrl({ expiresIn: 60 }))).toMatch(/^https:/)
    expect(await asAcme(() => theirs.signedUrl({ expiresIn: 61 }))).toMatch(/^\/files\/spy\//)
  })

  it('leaves `url` to serveFiles', () => {
    expect(asAcme(() => file.url)).toMatch(/^\/files\/spy\/media\/acme\/order_files\/1\.pdf\?expires=/)
  })
})

describe('a file whose column resolves on load', () => {
  it('has its URL on itself, for spreads', () => {
    const { driver, storage } = setUp()
    const file = asAcme(() => mintStoredFile({ home: storage, resolve: 'load' }, DATA))
    expect(driver.calls).toHaveLength(1)
    expect({ ...file }).toMatchObject({ ...DATA, url: file.url })
    expect(file.url).toContain('https://bucket.example/media/acme/order_files/1.pdf')
    expect(Object.isFrozen(file)).toBe(true)
  })

  it('shows its URL to no other tenant in JSON', () => {
    const { storage } = setUp()
    const file = asAcme(() => mintStoredFile({ home: storage, resolve: 'load' }, DATA))
    expect(runWithTenant('globex', () => file.toJSON().url)).toBeNull()
    expect(asAcme(() => file.toJSON().url)).toBe(file.url)
  })

  it('has none where none can be given, and reading says why', () => {
    const { storage } = setUp()
    const file = mintStoredFile({ home: storage, resolve: 'load' }, DATA)
    expect('url' in { ...file }).toBe(false)
    expect(thrownCode(() => file.url)).toBe('ERR_TENANT_REQUIRED')
    expect(file.toJSON().url).toBeNull()
  })
})
