import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Disk } from '../../src/core/disk.js'
import type { PutBody } from '../../src/core/driver.js'
import { createStorage, type Storage } from '../../src/core/storage.js'
import type { FileAddress } from '../../src/core/stored-file.js'
import { runAsSystem, runWithTenant } from '../../src/core/tenant.js'
import { codeOf, thrownCode } from './errors-of.js'
import { SpyDriver } from './spy-driver.js'

const SECRET = 'a secret of enough length'
const TEXT = { contentType: 'text/plain' }
const BYTES = Buffer.from('hello')

async function drain(entries: AsyncIterable<{ key: string }>): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of entries) keys.push(key)
  return keys
}

let spy: SpyDriver
let storage: Storage
let media: Disk
beforeEach(() => {
  spy = new SpyDriver({ signs: true })
  storage = createStorage({ secret: SECRET, backends: { spy } })
  media = storage.disk('media')
})

const addressOf = (tenant: string | null, key = 'a.txt', disk = 'media'): FileAddress => ({
  disk,
  backend: 'spy',
  tenant,
  key,
})

it.each([
  { contentType: 'text/plain\r\nX-Evil: 1' },
  { contentType: 'text/plän' },
  { contentType: 'text/plain', contentDisposition: 'inline\n' },
  { contentType: 'text/plain', cacheControl: 'no-store\0' },
])('put refuses the header %j before the backend is called', async options => {
  expect(await runWithTenant('acme', () => codeOf(() => media.put('a.txt', BYTES, options)))).toBe(
    'ERR_CONFIG',
  )
  expect(spy.calls).toEqual([])
})

it('ready needs a tenant, and opens the backend that its files go to', async () => {
  expect(await codeOf(() => media.ready())).toBe('ERR_TENANT_REQUIRED')
  expect(spy.readied).toBe(0)
  await runWithTenant('acme', () => media.ready())
  expect(spy.readied).toBe(1)
})

describe('copy', () => {
  it('replaces nothing on a disk that does not allow to overwrite', async () => {
    await runWithTenant('acme', async () => {
      await media.put('a.txt', Buffer.from('one'), TEXT)
      await media.put('b.txt', Buffer.from('two'), TEXT)
      expect(await codeOf(() => media.copy('a.txt', 'b.txt'))).toBe('ERR_FILE_EXISTS')
      expect((await media.head('b.txt')).size).toBe(3)
    })
  })

  it('replaces no file, unless the disk allows it', async () => {
    await runWithTenant('acme', async () => {
      for (const key of ['a.txt', 'b.txt']) await media.put(key, Buffer.from(key), TEXT)
      expect(await codeOf(() => media.copy('a.txt', 'b.txt'))).toBe('ERR_FILE_EXISTS')
      expect(await codeOf(() => media.copy('a.txt', 'a.txt'))).toBe('ERR_FILE_EXISTS')
      expect(await text((await media.get('b.txt')).body)).toBe('b.txt')
    })
    await runAsSystem('a test', async () => {
      const files = storage.disk('static')
      for (const key of ['a.css', 'b.css']) await files.put(key, Buffer.from(key), TEXT)
      await files.copy('a.css', 'b.css')
      expect(await text((await files.get('b.css')).body)).toBe('a.css')
    })
  })

  it('stays on the backend of its source', async () => {
    const other = new SpyDriver()
    const two = createStorage({ secret: SECRET, backends: { old: other, spy }, writeTo: 'spy' })
    await other.memory.put('media/acme/a.txt', BYTES, TEXT)
    const copied = await runWithTenant('acme', () =>
      two.disk('media').copy({ ...addressOf('acme'), backend: 'old' }, 'b.txt'),
    )
    expect(copied).toEqual({ disk: 'media', backend: 'old', tenant: 'acme', key: 'b.txt' })
    expect(spy.calls).toEqual([])
  })
})

describe('copyFrom', () => {
  const COPY = { ...TEXT, size: 5 }
  beforeEach(() => spy.memory.put('media/acme/a.txt', BYTES, TEXT))

  it('asks for a create-only copy with the headers that a new object would have', async () => {
    const html = { contentType: 'text/html', size: 5, ifNoneMatch: undefined }
    await runWithTenant('acme', () => media.copyFrom(addressOf('acme'), addressOf('acme', 'b.txt'), html))
    expect(spy.calls.find(({ method }) => method === 'copyFrom')?.options).toMatchObject({
      ...{ contentType: 'text/html', contentDisposition: 'attachment', ifNoneMatch: '*' },
    })
  })

  it('takes no file to another tenant, and none of another one', async () => {
    const [own, foreign] = [addressOf('acme'), addressOf('globex')]
    for (const [from, to] of [
      [own, foreign],
      [foreign, own],
    ] as const)
      expect(await runWithTenant('acme', () => codeOf(() => media.copyFrom(from, to, COPY)))).toBe(
        'ERR_TENANT_MISMATCH',
      )
    expect(spy.calls).toEqual([])
  })

  it('cannot, and says so, where one of both backends knows nothing of it', async () => {
    const two = createStorage({ secret: SECRET, backends: { spy, plain: new SpyDriver() }, writeTo: 'spy' })
    const plain = { ...addressOf('acme', 'b.txt'), backend: 'plain' }
    const copy = (from: FileAddress, to: FileAddress) =>
      runWithTenant('acme', () => two.disk('media').copyFrom(from, to, COPY))
    expect(await copy(addressOf('acme'), plain)).toBeUndefined()
    expect(await copy(plain, addressOf('acme', 'b.txt'))).toBeUndefined()
  })
})

describe('list', () => {
  beforeEach(async () => {
    for (const key of [
      'media/acme/a/1',
      'media/acme/ab/2',
      'media/acme-corp/a/3',
      'media/ACME/a/4',
      'media/shared/a/5',
      'public-media/acme/a/6',
    ])
      await spy.memory.put(key, BYTES, TEXT)
  })

  it('gives the own keys only, as the caller knows them', async () => {
    expect(await runWithTenant('acme', () => drain(media.list()))).toEqual(['a/1', 'ab/2'])
    expect(await runWithTenant('acme', () => drain(media.list('a/')))).toEqual(['a/1'])
    expect(await runWithTenant('acm', () => drain(media.list()))).toEqual([])
  })

  it('refuses to work under runAsSystem, where nobody is meant', async () => {
    expect(await runAsSystem('a test', () => codeOf(() => drain(media.list())))).toBe('ERR_TENANT_REQUIRED')
    expect(spy.calls).toEqual([])
  })

  it('belongs to the tenant that called it, whoever reads the entries', async () => {
    const entries = runWithTenant('acme', () => media.list())
    expect(await runWithTenant('acme-corp', () => drain(entries))).toEqual(['a/1', 'ab/2'])
  })

  it('belongs to the tenant that called it, also when it is read after the tenant has gone', async () => {
    expect(await drain(runWithTenant('acme', () => media.list()))).toEqual(['a/1', 'ab/2'])
  })
})

describe('put', () => {
  it('gives the address of the new file', async () => {
    const stored = await runWithTenant('acme', () => media.put('f/a.txt', BYTES, TEXT))
    expect(stored).toMatchObject({ disk: 'media', backend: 'spy', tenant: 'acme', key: 'f/a.txt', size: 5 })
  })

  it('never replaces a file, whatever the caller asks for, unless the disk allows it', async () => {
    await runWithTenant('acme', async () => {
      await media.put('a.txt', BYTES, TEXT)
      expect(
        await codeOf(() => media.put('a.txt', Buffer.from('new'), { ...TEXT, ifNoneMatch: undefined })),
      ).toBe('ERR_FILE_EXISTS')
      expect(await text((await media.get('a.txt')).body)).toBe('hello')
    })
  })

  it('replaces a file where the disk allows it, and does not where the call forbids it', async () => {
    const files = storage.disk('static')
    await runAsSystem('a test', async () => {
      await files.put('css/a.css', BYTES, TEXT)
      await files.put('css/a.css', Buffer.from('new'), TEXT)
      expect(await codeOf(() => files.put('css/a.css', BYTES, { ...TEXT, ifNoneMatch: '*' }))).toBe(
        'ERR_FILE_EXISTS',
      )
    })
    expect(await text((await files.get('css/a.css')).body)).toBe('new')
  })

  it.each([
    ['text/html', undefined, 'attachment'],
    ['image/svg+xml; charset=utf-8', undefined, 'attachment'],
    ['html', undefined, 'attachment'],
    ['text/html', 'attachment; filename="a.html"', 'attachment; filename="a.html"'],
    ['text/html', 'inline', 'attachment'],
    ['image/svg+xml', 'inline; filename="a.svg"', 'attachment; filename="a.svg"'],
    ['image/png', 'inline; filename="a.png"', 'inline; filename="a.png"'],
    ['image/png', undefined, undefined],
  ])(
    'stores %s, given %s, as %s: a signed address of its key knows no type',
    async (contentType, given, kept) => {
      await runWithTenant('acme', () => media.put('a', BYTES, { contentType, contentDisposition: given }))
      expect((await spy.memory.head('media/acme/a')).contentDisposition).toBe(kept)
    },
  )

  it('does not change the options it is given', async () => {
    await runWithTenant('acme', () => media.put('a.txt', BYTES, Object.freeze({ ...TEXT })))
  })

  it('keeps its tenant while the body is still coming', async () => {
    const bodyOf = (name: string) =>
      Readable.from(
        (async function* () {
          yield 'a'
          await sleep(5)
          yield name
        })(),
      )
    const put = (tenant: string) => runWithTenant(tenant, () => media.put('a.txt', bodyOf(tenant), TEXT))
    await Promise.all(['t1', 't10', 'T1', 't1-x'].map(put))
    for (const tenant of ['t1', 't10', 'T1', 't1-x'])
      expect(await text((await spy.memory.get(`media/${tenant}/a.txt`)).body)).toBe(`a${tenant}`)
  })

  it.each<[string, (body: PutBody) => unknown]>([
    ['without a tenant', body => media.put('a.txt', body, TEXT)],
    [
      "for another tenant's address",
      body => runWithTenant('acme', () => media.put(addressOf('globex'), body, TEXT)),
    ],
    ['with a key that climbs', body => runWithTenant('acme', () => media.put('../a', body, TEXT))],
    [
      'on a backend that is not there',
      body => runWithTenant('acme', () => media.put({ ...addressOf('acme'), backend: 'gone' }, body, TEXT)),
    ],
    [
      'on a disk that only the system writes',
      body => runWithTenant('acme', () => storage.disk('shared').put('a.txt', body, TEXT)),
    ],
  ])('lets go of the body when it is refused %s', async (_, put) => {
    const body = Readable.from(['x'])
    expect(await codeOf(() => put(body))).not.toBe('none')
    expect(body.destroyed).toBe(true)
  })

  it('survives a body that fails before the storage is ready', async () => {
    const slow = createStorage({
      secret: SECRET,
      backends: {
        spy: async () => {
          await sleep(20)
          return spy
        },
      },
    })
    const body = new Readable({ read() {} })
    const put = runWithTenant('acme', () => slow.disk('media').put('a.txt', body, TEXT))
    body.destroy(new Error('the client left'))
    expect(await codeOf(() => put)).toBe('ERR_UPLOAD_ABORTED')
  })
})

describe('assertWritable', () => {
  it('needs a tenant on a disk with tenants, and the system on the others', () => {
    expect(thrownCode(() => media.assertWritable())).toBe('ERR_TENANT_REQUIRED')
    runWithTenant('acme', () => {
      media.assertWritable()
      expect(thrownCode(() => storage.disk('shared').assertWritable())).toBe('ERR_SYSTEM_REQUIRED')
    })
    runAsSystem('a test', () => {
      storage.disk('static').assertWritable()
      expect(thrownCode(() => media.assertWritable())).toBe('ERR_TENANT_REQUIRED')
    })
  })
})

describe('the URL of a file', () => {
  const fileOf = (type: string | undefined, tenant = 'acme') => ({
    ...addressOf(tenant),
    name: 'Prüfung.pdf',
    type,
  })
  const signed = () => spy.calls.at(-1)?.options as Record<string, unknown>

  it('on a public disk is permanent and needs no tenant', () => {
    const address = addressOf('acme', 'a.txt', 'public-media')
    expect(storage.disk('public-media').url(address)).toBe('/files/spy/public-media/acme/a.txt')
    expect(runWithTenant('globex', () => storage.disk('public-media').url(address))).toContain(
      'public-media/acme/a.txt',
    )
  })

  it.each([null, '', '..', 'shared', 'a/b'])('on a public disk is not made for the tenant %j', tenant => {
    expect(
      thrownCode(() => storage.disk('public-media').url(addressOf(tenant, 'a.txt', 'public-media'))),
    ).toBe('ERR_TENANT_INVALID')
  })

  it('is signed with the type and name of the file, also when the file itself is the target', () => {
    runWithTenant('acme', () => media.signedUrl(fileOf('application/pdf')))
    expect(signed()).toMatchObject({
      method: 'GET',
      expiresIn: 3600,
      contentType: 'application/pdf',
      contentDisposition: `inline; filename="Prufung.pdf"; filename*=UTF-8''Pr%C3%BCfung.pdf`,
      cacheControl: 'private, max-age=1800',
    })
  })

  it.each(['text/html', 'image/svg+xml', 'text/html; charset=utf-8', 'TEXT/HTML'])(
    'makes %s an attachment, whatever the caller asks for',
    type => {
      for (const disposition of ['inline', 'attachment', undefined] as const) {
        runWithTenant('acme', () => media.signedUrl(fileOf(type), { disposition, filename: 'a.png' }))
        expect(signed().contentDisposition).toBe('attachment; filename="a.png"')
        runWithTenant('acme', () => media.signedUrl(addressOf('acme'), { disposition }, { type }))
        expect(signed().contentDisposition).toBe('attachment; filename="file"')
      }
    },
  )

  it('never makes a file inline whose type is not known here, since it may be active', () => {
    const requests = [
      {},
      { disposition: 'inline' },
      { filename: 'a.png' },
      { disposition: 'inline', filename: 'a.png' },
    ] as const
    for (const request of requests) {
      runWithTenant('acme', () => media.signedUrl('a.txt', request))
      expect(String(signed().contentDisposition)).not.toMatch(/^inline/)
    }
    runWithTenant('acme', () => media.signedUrl('a.txt', { disposition: 'attachment' }))
    expect(signed().contentDisposition).toBe('attachment')
  })

  it('takes the name and disposition of the call', () => {
    runWithTenant('acme', () =>
      media.signedUrl(fileOf('application/pdf'), { disposition: 'attachment', filename: 'b.pdf' }),
    )
    expect(signed().contentDisposition).toBe('attachment; filename="b.pdf"')
  })

  it('is the same inside a window, without any wait', () => {
    const url = () => runWithTenant('acme', () => media.url(addressOf('acme')))
    expect(url()).toBe(url())
  })

  it('has the life that the disk says', () => {
    const short = createStorage({
      secret: SECRET,
      backends: { spy },
      disks: { media: { location: 'media', visibility: 'private', tenancy: 'required', expiresIn: 60 } },
    })
    runWithTenant('acme', () => short.disk('media').url('a.txt'))
    expect(signed().expiresIn).toBe(60)
  })
})
