import { afterEach, describe, expect, it } from 'vitest'
import {
  type CdnOptions,
  createStorage,
  type DiskOptions,
  onStorageEvent,
  runAsSystem,
  runWithTenant,
  StorageError,
  type StorageOptions,
} from '../../src/core/index.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { codeOf, thrownCode } from './errors-of.js'
import { SpyDriver } from './spy-driver.js'

const SECRET = 'a secret of the tests'
const TEXT = { contentType: 'text/plain' }
const HOST = 'cdn.acme.example'
/** Says what it was asked for, where CloudFront would sign. */
const signer = { signUrl: (url: string, { expires }: { expires: number }) => `${url}&Expires=${expires}` }

const PRIVATE: DiskOptions = { location: 'media', visibility: 'private', tenancy: 'required' }
const PUBLIC: DiskOptions = { location: 'public', visibility: 'public', tenancy: 'required' }

function storageWith(disks: Record<string, DiskOptions>, options: Partial<StorageOptions> = {}) {
  return createStorage({
    secret: SECRET,
    backends: { spy: new SpyDriver({ signs: true }) },
    disks,
    ...options,
  })
}
const publicDisk = (cdn: CdnOptions, options: Partial<StorageOptions> = {}) =>
  storageWith({ open: { ...PUBLIC, cdn } }, options).disk('open')
const privateDisk = (cdn: CdnOptions, options: Partial<StorageOptions> = {}) =>
  storageWith({ media: { ...PRIVATE, cdn } }, options).disk('media')
const at = (backend: string, disk: string) => ({ disk, backend, tenant: 'acme', key: 'a b.txt' })

let stopListening = () => {}
afterEach(() => stopListening())

describe('a CDN is refused at start-up', () => {
  it.each<[string, DiskOptions, Partial<Record<keyof CdnOptions, unknown>>]>([
    ['that would take the signature from private URLs', PRIVATE, { mode: 'public', host: HOST }],
    ['that would sign what is public', PUBLIC, { mode: 'origin-signed', host: HOST }],
    ['that would sign what is public for CloudFront', PUBLIC, { mode: 'cloudfront', host: HOST, signer }],
    ['of a mode that does not exist', PUBLIC, { mode: 'fastly', host: HOST }],
    ['that signs, without a host', PRIVATE, { mode: 'origin-signed' }],
    ['of CloudFront without a signer', PRIVATE, { mode: 'cloudfront', host: HOST }],
    ['with a signer that nothing asks', PRIVATE, { mode: 'origin-signed', host: HOST, signer }],
    ['whose host has a path', PUBLIC, { mode: 'public', host: `${HOST}/files` }],
    ['whose host has a query', PUBLIC, { mode: 'public', host: `https://${HOST}/?a` }],
    ['whose host has a user', PUBLIC, { mode: 'public', host: `https://a@${HOST}` }],
    ['whose host has a password', PUBLIC, { mode: 'public', host: `https://:a@${HOST}` }],
    ['whose host is none', PUBLIC, { mode: 'public', host: 'a b' }],
    ['of another protocol', PUBLIC, { mode: 'public', host: `ftp://${HOST}` }],
    [
      'that nobody would use, since the disk is served by the proxy',
      { ...PRIVATE, serve: 'proxy' },
      { mode: 'origin-signed', host: HOST },
    ],
    ['in front of a backend that is not there', PUBLIC, { mode: 'public', host: HOST, backend: 'other' }],
  ])('%s', (_, disk, cdn) => {
    expect(thrownCode(() => storageWith({ disk: { ...disk, cdn: cdn as CdnOptions } }))).toBe('ERR_CONFIG')
  })

  it('that does not say which of several backends it stands in front of', () => {
    const backends = { a: new SpyDriver(), b: new SpyDriver() }
    const choose = { backends, writeTo: () => 'a' }
    expect(thrownCode(() => publicDisk({ mode: 'public', host: HOST }, choose))).toBe('ERR_CONFIG')
    publicDisk({ mode: 'public', host: HOST, backend: 'b' }, choose)
  })

  it('whose backend signs nothing that it could carry, by ready()', async () => {
    const storage = storageWith(
      { media: { ...PRIVATE, cdn: { mode: 'origin-signed', host: HOST } } },
      { backends: { memory: new MemoryDriver() } },
    )
    expect(await codeOf(() => storage.ready())).toBe('ERR_CONFIG')
  })

  it('without a host in front of a backend without addresses, by ready()', async () => {
    const storage = storageWith(
      { open: { ...PUBLIC, cdn: { mode: 'public' } } },
      { backends: { memory: new MemoryDriver() } },
    )
    expect(await codeOf(() => storage.ready())).toBe('ERR_CONFIG')
  })
})

describe('public URLs', () => {
  it("are the CDN's, permanent and without a query", () => {
    const url = publicDisk({ mode: 'public', host: HOST }).url(at('spy', 'open'))
    expect(url).toBe(`https://${HOST}/public/acme/a b.txt`)
  })

  it("are the backend's own without a host", () => {
    expect(publicDisk({ mode: 'public' }).url(at('spy', 'open'))).toBe(
      'https://cdn.example/public/acme/a b.txt',
    )
  })

  it('name the object at the root of a host whose backend has no addresses', () => {
    const disk = publicDisk({ mode: 'public', host: HOST }, { backends: { memory: new MemoryDriver() } })
    expect(disk.url(at('memory', 'open'))).toBe(`https://${HOST}/public/acme/a%20b.txt`)
  })

  it.each([undefined, { mode: 'none' } as const])('are those of serveFiles with the cdn %j', cdn => {
    const disk = storageWith({ open: { ...PUBLIC, ...(cdn && { cdn }) } }).disk('open')
    expect(disk.url(at('spy', 'open'))).toBe('/files/spy/public/acme/a%20b.txt')
  })

  it('of files on another backend do not use the CDN', () => {
    const backends = { spy: new SpyDriver({ signs: true }), old: new MemoryDriver() }
    const disk = publicDisk({ mode: 'public', host: HOST }, { backends, writeTo: 'spy' })
    expect(disk.url(at('old', 'open'))).toBe('/files/old/public/acme/a%20b.txt')
    expect(disk.url(at('spy', 'open'))).toContain(HOST)
  })
})

describe('private URLs', () => {
  const sign = <T>(fn: () => T) => runWithTenant('acme', fn)

  it("are the backend's signature with the host of a CDN that hands it on", () => {
    const direct = sign(() => storageWith({ media: PRIVATE }).disk('media').url(at('spy', 'media')))
    const url = sign(() => privateDisk({ mode: 'origin-signed', host: HOST }).url(at('spy', 'media')))
    expect(direct).toMatch(/^https:\/\/bucket\.example\/.*\?at=/)
    expect(url).toBe(direct.replace('bucket.example', HOST))
  })

  it('are signed for CloudFront, with what the answer shall say inside of the signature', async () => {
    const storage = storageWith({ media: { ...PRIVATE, cdn: { mode: 'cloudfront', host: HOST, signer } } })
    const file = { ...at('spy', 'media'), name: 'Café (1).pdf', type: 'application/pdf' }
    const url = new URL(sign(() => storage.disk('media').url(file)))
    expect(url.origin + url.pathname).toBe(`https://${HOST}/media/acme/a%20b.txt`)
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      'response-content-type': 'application/pdf',
      'response-content-disposition': `inline; filename="Cafe (1).pdf"; filename*=UTF-8''Caf%C3%A9%20%281%29.pdf`,
      'response-cache-control': 'private, max-age=1800',
    })
    const left = Number(url.searchParams.get('Expires')) - Date.now() / 1000
    expect(left).toBeGreaterThan(1800)
    expect(left).toBeLessThanOrEqual(3600)
  })

  it('wait for a signer that is loaded', async () => {
    let loads = 0
    const load = async () => {
      loads += 1
      return signer
    }
    const storage = storageWith({
      media: { ...PRIVATE, cdn: { mode: 'cloudfront', host: HOST, signer: load } },
    })
    const url = () => sign(() => storage.disk('media').url(at('spy', 'media')))
    expect(thrownCode(url)).toBe('ERR_NOT_READY')
    const many = Array.from({ length: 10 }, () => at('spy', 'media'))
    await sign(() => storage.disk('media').signMany(many))
    await storage.ready()
    await storage.ready()
    expect(url()).toContain(HOST)
    expect(loads).toBe(1)
  })

  it('of files on another backend are signed by that one', () => {
    const backends = { spy: new SpyDriver({ signs: true }), old: new MemoryDriver() }
    const disk = privateDisk({ mode: 'origin-signed', host: HOST }, { backends, writeTo: 'spy' })
    expect(sign(() => disk.url(at('old', 'media')))).toMatch(/^\/files\/old\/media\/acme\/.*&signature=/)
  })

  it('of files on another backend do not wait for the one behind the CDN', async () => {
    const gone = async () => {
      throw new StorageError('ERR_BACKEND', 'The backend behind the CDN is down.')
    }
    const backends = { cloud: gone, spy: new SpyDriver({ signs: true }) }
    const disk = privateDisk({ mode: 'origin-signed', host: HOST }, { backends, writeTo: 'cloud' })
    expect(await sign(() => disk.signMany([at('spy', 'media')]))).toEqual([
      expect.stringContaining('https://bucket.example/'),
    ])
  })

  it('are those of serveFiles where clients cannot reach the backend', async () => {
    const disk = storageWith({ media: { ...PRIVATE, serve: 'proxy' } }).disk('media')
    expect(sign(() => disk.url(at('spy', 'media')))).toMatch(/^\/files\/spy\/media\/acme\/.*&signature=/)
    const [url] = await sign(() => disk.signMany([at('spy', 'media')]))
    expect(url).toMatch(/^\/files\/spy\//)
  })

  it('live their whole life where the credentials of the backend sign nothing of them', () => {
    const spy = new SpyDriver({ signs: true })
    Object.assign(spy, { signableFor: () => 5 })
    const cdn = { mode: 'cloudfront', host: HOST, signer } as const
    for (const disk of [{ ...PRIVATE, cdn }, { ...PRIVATE, serve: 'proxy' } as const]) {
      const url = sign(() =>
        storageWith({ media: disk }, { backends: { spy } }).disk('media').url(at('spy', 'media')),
      )
      const expires = Number(/[Ee]xpires=(\d+)/.exec(url)?.[1])
      expect(expires - Date.now() / 1000).toBeGreaterThan(1800 - 2)
    }
  })

  it('are never given without a signature, whatever the mode', () => {
    for (const cdn of [
      { mode: 'none' },
      { mode: 'origin-signed', host: HOST },
      { mode: 'cloudfront', host: HOST, signer },
    ] as const) {
      const url = sign(() => privateDisk(cdn).url(at('spy', 'media')))
      expect(url).toMatch(/[?&](at|Expires)=/)
    }
  })
})

describe('the purge hook', () => {
  const purging = (purge: CdnOptions['purge'], overwrite: 'allow' | 'refuse' = 'allow') => {
    const cdn: CdnOptions = { mode: 'public', host: HOST, purge }
    return storageWith({ open: { ...PUBLIC, tenancy: 'none', overwrite, cdn } }).disk('open')
  }
  const write = <T>(fn: () => Promise<T>) => runAsSystem('a test', fn)

  it('is told what was replaced, copied over and deleted, by its address at the CDN', async () => {
    const told: (readonly string[])[] = []
    const disk = purging(async urls => void told.push(urls))
    await write(async () => {
      await disk.put('a.css', Buffer.from('1'), TEXT)
      await disk.copy('a.css', 'b.css')
      await disk.delete('a.css')
    })
    expect(told).toEqual([
      [`https://${HOST}/public/a.css`],
      [`https://${HOST}/public/b.css`],
      [`https://${HOST}/public/a.css`],
    ])
  })

  it('hears nothing of a new object where none can be replaced', async () => {
    const told: unknown[] = []
    const disk = purging(async urls => void told.push(urls), 'refuse')
    await write(() => disk.put('a.css', Buffer.from('1'), TEXT))
    expect(told).toEqual([])
  })

  it('fails no write: the event says what is left', async () => {
    const left: unknown[] = []
    stopListening = onStorageEvent('leftover', event => void left.push(event))
    const disk = purging(async () => {
      throw new Error('the CDN is down')
    })
    await write(() => disk.put('a.css', Buffer.from('1'), TEXT))
    await write(() => disk.delete('a.css'))
    expect(left).toMatchObject([
      { backend: 'spy', key: 'public/a.css', error: { message: 'the CDN is down' } },
      { backend: 'spy', key: 'public/a.css' },
    ])
  })
})
