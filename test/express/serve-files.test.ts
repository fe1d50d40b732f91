import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { get as httpGet, type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished, test, vi } from 'vitest'
import type { GetOptions, GetResult } from '../../src/core/driver.js'
import {
  type Driver,
  runWithTenant,
  StorageError,
  type StorageOptions,
  tryGetTenant,
} from '../../src/core/index.js'
import { ProxyUrls } from '../../src/core/proxy-url.js'
import { bindTenant } from '../../src/core/tenant.js'
import { LocalDriver } from '../../src/drivers/local/index.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import {
  answerErrors,
  fromHeader,
  type ServeFilesOptions,
  serveFiles,
  tenant,
} from '../../src/express/index.js'
import { storeFile } from '../../src/upload/index.js'
import { listen } from '../integration/http.js'
import { tempDir } from '../support/temp-dir.js'
import { PDF } from '../upload/sample-files.js'
import { asAcme, eventsOf, failOnUnhandled, keysOf, SECRET, storageOver } from '../upload/support.js'

failOnUnhandled()

interface Setup {
  driver?: Driver
  options?: Partial<StorageOptions>
  serve?: ServeFilesOptions
  /** What stands in front of serveFiles. */
  before?: express.RequestHandler
}

async function fileServer({ driver = new MemoryDriver(), options = {}, serve, before }: Setup = {}) {
  const storage = storageOver(driver, options)
  await storage.ready()
  const errors: unknown[] = []
  const app = express()
  if (before !== undefined) app.use(before)
  app.use('/files', serveFiles(storage, serve))
  app.use(tenant({ resolve: fromHeader('x-tenant'), verify: () => true }))
  app.get('/whoami', (_req, res) => void res.json(tryGetTenant()))
  app.use((error: unknown, _req: express.Request, _res: express.Response, next: express.NextFunction) => {
    errors.push(error)
    next(error)
  })
  app.use(answerErrors())
  const { url } = await listen(app)
  const store = (body: Buffer | string, name: string, rules = {}) =>
    asAcme(() =>
      storeFile(storage, Buffer.from(body), { folder: 'files', empty: 'accept', ...rules }, { name }),
    )
  return { url, storage, driver, errors, store, ask: (path: string, more?: Ask) => ask(url, path, more) }
}

interface Ask {
  method?: string
  headers?: Record<string, string>
}

/** Asks for a path to the letter: clients that tidy up `..` and encodings hide what a server does with them. */
async function ask(url: string, path: string, { method = 'GET', headers = {} }: Ask = {}) {
  const { hostname, port } = new URL(url)
  const outgoing = request({ hostname, port, path, method, headers })
  outgoing.end()
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  const body = Buffer.concat(chunks)
  const code =
    body.length > 0 && response.statusCode !== 200 && response.headers['content-type']?.includes('json')
  return {
    status: response.statusCode,
    headers: response.headers,
    body,
    code: code ? JSON.parse(body.toString()).error.code : undefined,
  }
}

const urlOf = (file: { url: string }): string => asAcme(() => file.url)

describe('a signed address', () => {
  test.each([
    ['memory', () => new MemoryDriver()],
    ['local', () => new LocalDriver({ root: tempDir() })],
  ])('is answered with the file and its headers, from the %s driver', async (_kind, make) => {
    const { store, ask } = await fileServer({ driver: make() })
    const { status, headers, body } = await ask(urlOf(await store(PDF, 'Prüfung 报告.pdf')))
    expect([status, body.equals(PDF)]).toEqual([200, true])
    expect(headers).toMatchObject({
      'content-type': 'application/pdf',
      'content-length': String(PDF.length),
      'content-disposition': `inline; filename="Prufung __.pdf"; filename*=UTF-8''Pr%C3%BCfung%20%E6%8A%A5%E5%91%8A.pdf`,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      'accept-ranges': 'bytes',
    })
    expect(headers.etag).toMatch(/^"[^"]+"$/)
    expect(headers['last-modified']).toMatch(/ GMT$/)
    const maxAge = Number(/^private, max-age=(\d+)$/.exec(headers['cache-control'] ?? '')?.[1])
    expect(maxAge).toBeGreaterThan(1_700)
    expect(maxAge).toBeLessThanOrEqual(3_600)
  })

  it('is answered to HEAD with the same headers and no body', async () => {
    const { store, ask } = await fileServer()
    const url = urlOf(await store(PDF, 'a.pdf'))
    const [got, head] = [await ask(url), await ask(url, { method: 'HEAD', headers: { range: 'bytes=0-1' } })]
    const { date: _date, ...gotHeaders } = got.headers
    expect([head.status, head.body.length]).toEqual([200, 0])
    expect(head.headers).toMatchObject(gotHeaders)
  })

  it('of an empty file is answered with nothing', async () => {
    for (const driver of [new MemoryDriver(), new LocalDriver({ root: tempDir() })]) {
      const { store, ask } = await fileServer({ driver })
      const url = urlOf(await store('', 'a.txt'))
      const { status, body, headers } = await ask(url)
      expect([status, body.length, headers['content-length']]).toEqual([200, 0, '0'])
      expect((await ask(url, { method: 'HEAD' })).headers['content-length']).toBe('0')
      const part = await ask(url, { headers: { range: 'bytes=0-' } })
      expect([part.status, part.headers['content-range']]).toEqual([416, 'bytes */0'])
    }
  })

  test.each([
    ['<html><script>alert(1)</script>', 'a.html', 'text/html; charset=utf-8'],
    ['<svg xmlns="http://www.w3.org/2000/svg"/>', 'a.svg', 'image/svg+xml'],
    ['<?xml version="1.0"?><a/>', 'a.xml', 'application/xml'],
    ['alert(1)', 'a.js', 'text/javascript; charset=utf-8'],
  ])('of the active content %s is answered as an attachment', async (text, name, type) => {
    const { store, ask } = await fileServer()
    for (const disk of ['media', 'public-media']) {
      const file = await store(text, name, { disk })
      const { headers } = await ask(urlOf(file))
      expect(headers['content-disposition']).toBe(`attachment; filename="${name}"`)
      expect(headers['content-type']?.startsWith(type.split(';')[0] ?? '')).toBe(true)
      expect(headers['content-security-policy']).toContain('sandbox')
      expect(headers['x-content-type-options']).toBe('nosniff')
      const shown = await asAcme(() => file.signedUrl({ disposition: 'inline' }))
      expect((await ask(shown)).headers['content-disposition']).toMatch(/^attachment/)
    }
  })

  it('may ask for an attachment under another name', async () => {
    const { store, ask } = await fileServer()
    const file = await store(PDF, 'a.pdf')
    const url = await asAcme(() => file.signedUrl({ disposition: 'attachment', filename: 'b.pdf' }))
    expect((await ask(url)).headers['content-disposition']).toBe('attachment; filename="b.pdf"')
  })

  it('for HEAD opens nothing to GET', async () => {
    const { ask, store } = await fileServer()
    const file = await store('the bytes', 'a.txt')
    const address = await asAcme(() => file.signedUrl({ method: 'HEAD' }))
    expect((await ask(address, { method: 'HEAD' })).status).toBe(200)
    expect((await ask(address)).status).toBe(403)
    expect((await ask(address.replace('&method=HEAD', ''))).status).toBe(403)
  })

  it('that was tampered with is refused', async () => {
    const { store, ask } = await fileServer()
    const url = urlOf(await store(PDF, 'a.pdf'))
    const tampered = [
      url.replace('/acme/', '/globex/'),
      url.replace(/expires=(\d+)/, (_all, expires) => `expires=${Number(expires) + 1}`),
      url.replace('type=application%2Fpdf', 'type=text%2Fhtml'),
      url.replace('inline', 'attachment'),
      `${url.slice(0, -1)}${url.endsWith('A') ? 'B' : 'A'}`,
      `${url}A`,
      `${url}&x=1`,
      `${url}&type=text/html`,
      url.replace('&signature', '&Signature'),
      url.replace(/&signature=.*/, ''),
      url.replace(/&signature=.*/, '&signature='),
      url.replace('/files/memory/', '/files/other/'),
      url.replace('/media/', '/medi%61/'),
      url.replace('/media/', '//media/'),
      url.replace('?', '/?'),
      `${url}#x`,
    ]
    for (const each of tampered) {
      expect(each).not.toBe(url)
      expect([each, await ask(each)]).toMatchObject([each, { status: 403, code: 'ERR_URL_INVALID' }])
    }
    expect((await ask(url)).status).toBe(200)
  })

  it('is refused after any change, wherever it is', async () => {
    const { storage, store } = await fileServer()
    const tail = urlOf(await store(PDF, 'a.pdf')).slice('/files'.length)
    const cut = fc.tuple(fc.nat(tail.length), fc.nat(12), fc.string({ unit: 'binary', maxLength: 6 }))
    const accepts = (text: string): boolean => {
      try {
        return storage.verifyUrl(text).address !== undefined
      } catch (error) {
        expect(StorageError.is(error, 'ERR_URL_INVALID')).toBe(true)
        return false
      }
    }
    fc.assert(
      fc.property(cut, ([at, gone, more]) => {
        const changed = tail.slice(0, at) + more + tail.slice(at + gone)
        expect(accepts(changed)).toBe(changed === tail)
      }),
      { numRuns: 3_000 },
    )
  })

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1.5, 2 ** 60])(
    'with an expiry of %s cannot be signed, and is refused where somebody signs it all the same',
    async expires => {
      const { ask, storage, store } = await fileServer()
      const file = await store(PDF, 'a.pdf')
      const expiresIn = expires
      await expect(asAcme(async () => file.signedUrl({ expiresIn }))).rejects.toMatchObject({
        code: 'ERR_CONFIG',
      })
      const signed = { expires, contentType: undefined, contentDisposition: undefined }
      const objectKey = storage.disk('media').objectKey(file)
      const { status, code } = await ask(new ProxyUrls([SECRET], '/files').sign('memory', objectKey, signed))
      expect([status, code]).toEqual([403, 'ERR_URL_INVALID'])
    },
  )

  it('is good, and not kept for longer than a week, when the clock has moved backwards', async () => {
    const { store, ask } = await fileServer()
    const url = urlOf(await store(PDF, 'a.pdf'))
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 30 * 86_400_000 })
    onTestFinished(() => void vi.useRealTimers())
    const { status, headers } = await ask(url)
    expect([status, headers['cache-control']]).toEqual([200, 'private, max-age=604800'])
  })

  it.each(['a"b.pdf', "a'b;c=d.pdf", 'a%0d%0ab.pdf', 'a\r\nSet-Cookie: x=y.pdf', 'a\u2028b.pdf', '\\"; x="'])(
    'to save under the name %j adds no header and breaks out of none',
    async filename => {
      const { store, ask } = await fileServer()
      const file = await store(PDF, 'a.pdf')
      const { status, headers } = await ask(await asAcme(() => file.signedUrl({ filename })))
      expect(status).toBe(200)
      expect(headers['content-disposition']).toMatch(
        /^inline; filename="[^"\\]*"(; filename\*=UTF-8''[\w.%~!-]+)?$/,
      )
      expect(headers).not.toHaveProperty('set-cookie')
    },
  )

  it('that has expired is refused', async () => {
    const { store, ask } = await fileServer({ options: { urls: { expiresIn: 60 } } })
    const url = urlOf(await store(PDF, 'a.pdf'))
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
    onTestFinished(() => void vi.useRealTimers())
    expect(await ask(url)).toMatchObject({ status: 403, code: 'ERR_URL_EXPIRED' })
  })

  it('of another key is refused; of an older key it is good while that is listed', async () => {
    const driver = new MemoryDriver()
    const [old, young] = ['an old secret of ours, long enough', 'a young secret of ours, long enough']
    const before = await fileServer({ driver, options: { secret: old } })
    const url = urlOf(await before.store(PDF, 'a.pdf'))
    const during = await fileServer({ driver, options: { secret: [young, old] } })
    const after = await fileServer({ driver, options: { secret: [young] } })
    expect((await during.ask(url)).status).toBe(200)
    expect(await after.ask(url)).toMatchObject({ status: 403, code: 'ERR_URL_INVALID' })
  })

  test.each(['binds it to the request', 'runs in its context'])(
    'is not good for another tenant, where the application %s',
    async how => {
      const before: express.RequestHandler = (req, _res, next) => {
        const active = req.get('x-tenant')
        if (active === undefined) return next()
        if (how.startsWith('runs')) return runWithTenant(active, next)
        bindTenant(req, active)
        next()
      }
      const { store, ask } = await fileServer({ before })
      const denied = eventsOf('denied')
      const url = urlOf(await store(PDF, 'a.pdf'))
      expect((await ask(url)).status).toBe(200)
      expect((await ask(url, { headers: { 'x-tenant': 'acme' } })).status).toBe(200)
      expect(denied).toEqual([])
      const replayed = await ask(url, { headers: { 'x-tenant': 'globex' } })
      expect(replayed).toMatchObject({ status: 404, code: 'ERR_FILE_NOT_FOUND' })
      expect(denied).toMatchObject([{ operation: 'serve', tenant: 'globex', owner: 'acme' }])
      const missing = await ask(url.replace('/acme/', '/globex/'), { headers: { 'x-tenant': 'globex' } })
      expect(missing.status).toBe(403)
    },
  )

  it('of a file that is gone is answered with 404', async () => {
    for (const driver of [new MemoryDriver(), new LocalDriver({ root: tempDir() })]) {
      const { store, ask, storage } = await fileServer({ driver })
      const file = await store(PDF, 'a.pdf')
      const url = urlOf(file)
      await asAcme(() => storage.disk('media').delete(file))
      for (const method of ['GET', 'HEAD']) expect((await ask(url, { method })).status).toBe(404)
      expect((await ask(url)).code).toBe('ERR_FILE_NOT_FOUND')
      expect((await ask(url, { headers: { range: 'bytes=0-1' } })).status).toBe(404)
    }
  })
})

describe('a range', () => {
  const text = '0123456789'

  test.each([
    ['bytes=0-3', '0123', 'bytes 0-3/10'],
    ['bytes=4-6', '456', 'bytes 4-6/10'],
    ['bytes=0-0', '0', 'bytes 0-0/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=-50', text, 'bytes 0-9/10'],
    ['bytes=5-99999999999999999999', '56789', 'bytes 5-9/10'],
    ['bytes=9-9', '9', 'bytes 9-9/10'],
  ])('%s is answered with that part', async (range, part, contentRange) => {
    for (const driver of [new MemoryDriver(), new LocalDriver({ root: tempDir() })]) {
      const { store, ask } = await fileServer({ driver })
      const { status, body, headers } = await ask(urlOf(await store(text, 'a.txt')), { headers: { range } })
      expect([status, body.toString()]).toEqual([206, part])
      expect(headers).toMatchObject({ 'content-range': contentRange, 'content-length': String(part.length) })
    }
  })

  test.each(['bytes=10-', 'bytes=10-20', 'bytes=-0', 'bytes=99999999999999999999-'])(
    '%s lies beyond the file, and the answer says how long that is',
    async range => {
      const { store, ask } = await fileServer()
      const { status, headers, code } = await ask(urlOf(await store(text, 'a.txt')), { headers: { range } })
      expect([status, code, headers['content-range']]).toEqual([416, 'ERR_RANGE', 'bytes */10'])
    },
  )

  test.each(['bytes=0-1,3-4', 'bytes=', 'bytes=-', 'bytes=5-4', 'bytes=a-b', 'lines=0-1', 'bytes=0-1-2', ''])(
    '%j is answered with the whole',
    async range => {
      const { store, ask } = await fileServer()
      const { status, body } = await ask(urlOf(await store(text, 'a.txt')), { headers: { range } })
      expect([status, body.toString()]).toEqual([200, text])
    },
  )
})

describe('a permanent address', () => {
  it('of a public file is good without a signature, and never changes', async () => {
    const { store, ask } = await fileServer()
    const file = await store(PDF, 'a.pdf', { disk: 'public-media' })
    const { status, headers, body } = await ask(file.url)
    expect(file.url).not.toContain('?')
    expect([status, body.equals(PDF)]).toEqual([200, true])
    expect(headers).toMatchObject({
      'content-disposition': 'inline; filename="a.pdf"',
      'cache-control': 'public, max-age=31536000, immutable',
    })
  })

  it('of a public file is good for every tenant', async () => {
    const before: express.RequestHandler = (_req, _res, next) => runWithTenant('globex', next)
    const { store, ask } = await fileServer({ before })
    const file = await store(PDF, 'a.pdf', { disk: 'public-media' })
    expect((await ask(file.url)).status).toBe(200)
  })

  it('of a private file does not exist', async () => {
    const { store, ask, driver } = await fileServer()
    await store(PDF, 'a.pdf')
    const [key] = await keysOf(driver as MemoryDriver)
    expect(await ask(`/files/memory/${key}`)).toMatchObject({ status: 403, code: 'ERR_URL_INVALID' })
  })

  test.each([
    '/files',
    '/files/',
    '/files/memory',
    '/files/memory/',
    '/files/memory/media',
    '/files/memory/media/acme',
    '/files/memory/elsewhere/acme/x',
    '/files/nobody/public-media/acme/x',
    '/files/memory/public-media/acme/../acme/x',
    '/files/memory/public-media/acme/%2e%2e/acme/x',
    '/files/memory/public-media/acme%2Ffiles%2Fx',
    '/files/memory/public-media/acme/..%2F..%2Fmedia',
    '/files/memory/public-media/acme/x%00',
    '/files/memory/public-media/acme/x%',
    '/files/memory/public-media/acme/x%zz',
    '/files/memory/public-media/acme//x',
    '/files/memory/public-media/acme/x?',
    '/files/memory/public-media/acme/x?a=b',
    '/files/memory/public-media/_a/x',
    '/files/memory/public-media/acme/x\\y',
    '/files/../files/memory/public-media/acme/x',
    '/files/%6demory/public-media/acme/x',
    '/files/toString/public-media/acme/x',
    '/files/__proto__/public-media/acme/x',
  ])('that is none of ours is refused: %s', async path => {
    const { ask } = await fileServer()
    const { status, code } = await ask(path)
    expect([status, code]).toEqual([403, 'ERR_URL_INVALID'])
  })

  it('of a public file that is not there is answered with 404', async () => {
    const { ask } = await fileServer()
    expect((await ask('/files/memory/public-media/acme/x')).status).toBe(404)
  })
})

describe('nginx', () => {
  it('is told the file, and only of backends whose files lie in a folder', async () => {
    const driver = new LocalDriver({ root: tempDir() })
    const { store, ask } = await fileServer({ driver, serve: { accelRedirect: '/internal-files/' } })
    const file = await store(PDF, 'a.pdf')
    const { headers, body } = await ask(urlOf(file), {
      headers: { range: 'bytes=0-1', 'if-none-match': '*' },
    })
    expect(headers['x-accel-redirect']).toBe(`/internal-files/memory/media/acme/${file.key}`)
    expect([headers['content-type'], body.length]).toEqual(['application/pdf', 0])
    const elsewhere = await fileServer({ serve: { accelRedirect: '/internal-files/' } })
    const answer = await elsewhere.ask(urlOf(await elsewhere.store(PDF, 'a.pdf')))
    expect(answer.headers).not.toHaveProperty('x-accel-redirect')
    expect(answer.body.equals(PDF)).toBe(true)
  })

  it.each(['', '/', 'internal/', '/internal', '//x/', '/a b/', '/a?b/', '/a\r\nb/'])(
    'cannot be told of files below %j',
    accelRedirect => {
      const storage = storageOver(new MemoryDriver())
      expect(() => serveFiles(storage, { accelRedirect })).toThrow(
        expect.objectContaining({ code: 'ERR_CONFIG' }),
      )
    },
  )
})

describe('other methods', () => {
  test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('%s is refused', async method => {
    const { store, ask } = await fileServer()
    const url = urlOf(await store(PDF, 'a.pdf'))
    const { status, code, headers } = await ask(url, { method })
    expect([status, code, headers.allow]).toEqual([405, 'ERR_METHOD', 'GET, HEAD'])
    expect((await ask(url)).status).toBe(200)
  })
})

describe('the application around it', () => {
  it('still has tenant() for everything below', async () => {
    const { ask } = await fileServer()
    expect((await ask('/whoami', { headers: { 'x-tenant': 'acme' } })).body.toString()).toBe('"acme"')
    expect((await ask('/whoami')).code).toBe('ERR_TENANT_REQUIRED')
  })
})

describe('a reader that leaves', () => {
  /** Files below a folder that this process holds open. */
  function openFiles(root: string): string[] {
    return readdirSync('/proc/self/fd').flatMap(fd => {
      try {
        const path = readlinkSync(join('/proc/self/fd', fd))
        return path.startsWith(root) ? [path] : []
      } catch {
        return [] // closed meanwhile
      }
    })
  }

  it('within the download closes the file, and is no error', async () => {
    const root = tempDir()
    const { url, storage, errors } = await fileServer({ driver: new LocalDriver({ root }) })
    const type = { contentType: 'application/octet-stream' }
    await asAcme(() => storage.disk('media').put('files/big.bin', Buffer.alloc(30_000_000), type))
    const path = asAcme(() => storage.disk('media').signedUrl('files/big.bin'))
    const incoming = httpGet(url + path)
    const [response] = (await once(incoming, 'response')) as [IncomingMessage]
    await once(response, 'data')
    expect(openFiles(root)).toHaveLength(1)
    response.on('error', () => {})
    incoming.destroy()
    await vi.waitFor(() => expect(openFiles(root)).toEqual([]), 3_000)
    expect(errors).toEqual([])
  })

  class SlowToOpen extends MemoryDriver {
    signal: AbortSignal | undefined
    opened: Readable | undefined

    constructor(readonly heedsSignal: boolean) {
      super()
    }

    override async get(key: string, options: GetOptions = {}): Promise<GetResult> {
      this.signal = options.signal
      await sleep(200, undefined, this.heedsSignal ? { signal: options.signal } : {})
      const result = await super.get(key, this.heedsSignal ? options : { range: options.range })
      result.body.destroy()
      this.opened = new Readable({ read: () => {} }) // as of a network: nothing is here yet
      return { ...result, body: this.opened }
    }
  }

  it.each([true, false])('before the backend has answered ends the wait, heeded: %s', async heedsSignal => {
    const driver = new SlowToOpen(heedsSignal)
    const { url, store, errors } = await fileServer({ driver })
    const incoming = httpGet(url + urlOf(await store(PDF, 'a.pdf')))
    incoming.on('error', () => {})
    await vi.waitFor(() => expect(driver.signal).toBeDefined(), { interval: 5 })
    incoming.destroy()
    await vi.waitFor(() => expect(driver.signal?.aborted).toBe(true))
    await sleep(250)
    expect(driver.opened?.destroyed ?? true).toBe(true)
    expect(errors).toEqual([])
  })
})

describe('a file that fails', () => {
  class Failing extends MemoryDriver {
    constructor(readonly body: () => Readable) {
      super()
    }

    override async get(key: string, options?: GetOptions): Promise<GetResult> {
      return { ...(await super.get(key, options)), body: this.body() }
    }
  }

  const failure = new Error('the disk died')
  const partly = () =>
    Readable.from(
      (async function* () {
        yield PDF.subarray(0, 10)
        await sleep(30)
        throw failure
      })(),
    )
  const closing = () => {
    const body = new Readable({ read() {} })
    body.push(PDF.subarray(0, 10))
    setTimeout(() => body.destroy(), 30)
    return body
  }

  it.each([
    ['with an error', partly],
    ['without a word', closing],
  ])('half way %s breaks the connection, and the error handler hears of it', async (how, body) => {
    const { url, store, errors } = await fileServer({ driver: new Failing(body) })
    const incoming = httpGet(url + urlOf(await store(PDF, 'a.pdf')))
    const [response] = (await once(incoming, 'response')) as [IncomingMessage]
    await expect(response.toArray()).rejects.toMatchObject({ code: 'ECONNRESET' })
    await vi.waitFor(() => expect(errors).toHaveLength(1))
    if (how === 'with an error') expect(errors).toEqual([failure])
  })

  it('because the storage folder is gone is answered with an error', async () => {
    const root = tempDir()
    const { store, ask } = await fileServer({ driver: new LocalDriver({ root }) })
    const url = urlOf(await store(PDF, 'a.pdf'))
    await rm(join(root, 'media'), { recursive: true })
    expect((await ask(url)).status).toBe(404)
  })
})
