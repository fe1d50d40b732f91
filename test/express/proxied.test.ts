import { once } from 'node:events'
import { get as httpGet, type IncomingMessage, request } from 'node:http'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest'
import type { Driver } from '../../src/core/driver.js'
import { ProxyUrls } from '../../src/core/proxy-url.js'
import { GcsDriver } from '../../src/drivers/gcs/index.js'
import { LocalDriver } from '../../src/drivers/local/index.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { answerErrors, serveFiles } from '../../src/express/index.js'
import { driverOn } from '../drivers/azure/driver-on-azurite.js'
import { stubClient } from '../drivers/gcs/stub-client.js'
import { listen } from '../integration/http.js'
import { createContainer, describeWithAzurite } from '../support/azure.js'
import { GcsStub } from '../support/gcs-stub.js'
import { createBucket, describeWithS3, s3Connection } from '../support/s3.js'
import { tempDir } from '../support/temp-dir.js'
import { asAcme, failOnUnhandled, SECRET, storageOver } from '../upload/support.js'

failOnUnhandled()

const TEXT = '0123456789'
const KEY = 'files/Prüfung 1+1.txt'
const addresses = new ProxyUrls([SECRET], '/files')

/** A server over one backend, and an address of the proxy for a file of it, also where the driver signs by itself. */
async function proxy(driver: Driver, body: string | Buffer = TEXT) {
  const storage = storageOver(driver)
  await storage.ready()
  const errors: unknown[] = []
  const app = express()
  app.use('/files', serveFiles(storage))
  app.use((error: unknown, _req: express.Request, _res: express.Response, next: express.NextFunction) => {
    errors.push(error)
    next(error)
  })
  app.use(answerErrors())
  const { url } = await listen(app)
  const disk = storage.disk('media')
  await asAcme(() => disk.delete(KEY))
  await asAcme(() => disk.put(KEY, Buffer.from(body), { contentType: 'text/plain' }))
  const address = addresses.sign('memory', `media/acme/${KEY}`, {
    expires: Math.floor(Date.now() / 1000) + 60,
    contentType: 'text/plain',
    contentDisposition: 'attachment; filename="a.txt"',
  })
  const remove = () => asAcme(() => disk.delete(KEY))
  return {
    url: url + address,
    errors,
    remove,
    ask: (headers = {}, method = 'GET') => ask(url + address, headers, method),
  }
}

async function ask(url: string, headers: Record<string, string>, method: string) {
  const outgoing = request(url, { method, headers })
  outgoing.end()
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  const body = Buffer.concat(await response.toArray()).toString()
  return { status: response.statusCode, headers: response.headers, body }
}

function proxyCases(makeDriver: () => Promise<Driver> | Driver): void {
  let driver: Driver
  beforeAll(async () => {
    driver = await makeDriver()
    return () => driver.close?.()
  })

  it('is answered with its bytes and what the address says of them', async () => {
    const { ask } = await proxy(driver)
    const { status, headers, body } = await ask()
    expect([status, body]).toEqual([200, TEXT])
    expect(headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-length': '10',
      'content-disposition': 'attachment; filename="a.txt"',
      'content-security-policy': "default-src 'none'; sandbox",
      etag: expect.stringMatching(/^(W\/)?"[^"]+"$/),
    })
    const head = await ask({}, 'HEAD')
    const { date: _got, ...same } = headers
    expect([head.status, head.body]).toEqual([200, ''])
    expect(head.headers).toMatchObject({
      ...same,
      'cache-control': expect.stringMatching(/^private, max-age=\d+$/),
    })
  })

  it('is answered with one part of it', async () => {
    const { ask } = await proxy(driver)
    for (const range of ['bytes=2-4', 'bytes=2-3,4-4']) {
      const { status, headers, body } = await ask({ range })
      expect([status, body, headers['content-range']]).toEqual([206, '234', 'bytes 2-4/10'])
    }
    const beyond = await ask({ range: 'bytes=10-' })
    expect([beyond.status, beyond.headers['content-range']]).toEqual([416, 'bytes */10'])
    const apart = await ask({ range: 'bytes=0-1,8-9' })
    expect([apart.status, apart.body]).toEqual([200, TEXT])
  })

  it('is not sent again to a client that has it', async () => {
    const { ask } = await proxy(driver)
    const { headers: first } = await ask()
    const conditions = [
      { 'if-none-match': first.etag ?? '' },
      { 'if-none-match': `"x", W/${first.etag?.replace('W/', '')}` },
      { 'if-modified-since': first['last-modified'] ?? '' },
      { 'if-none-match': '*', range: 'bytes=0-1' },
    ]
    for (const method of ['GET', 'HEAD']) {
      for (const condition of conditions) {
        const { status, headers, body } = await ask(condition, method)
        expect([condition, status, body]).toEqual([condition, 304, ''])
        expect(headers).toMatchObject({ etag: first.etag, 'last-modified': first['last-modified'] })
        expect(headers['cache-control']).toMatch(/^private, max-age=\d+$/)
        expect(headers).not.toHaveProperty('content-length')
      }
    }
    expect((await ask({ 'if-none-match': '"x"' })).body).toBe(TEXT)
  })

  it('is refused under a condition that it does not meet', async () => {
    const { ask } = await proxy(driver)
    const refused = await ask({ 'if-match': '"x"' })
    expect([refused.status, refused.body]).toEqual([412, expect.stringContaining('ERR_PRECONDITION')])
    expect((await ask({ 'if-unmodified-since': 'Sun, 06 Nov 1994 08:49:37 GMT' })).status).toBe(412)
  })

  it('is continued only where it is still the same', async () => {
    const { ask } = await proxy(driver)
    const { etag = '' } = (await ask()).headers
    const same = await ask({ range: 'bytes=4-', 'if-range': etag })
    expect([same.status, same.body]).toEqual([206, '456789'])
    const changed = await ask({ range: 'bytes=4-', 'if-range': '"x"' })
    expect([changed.status, changed.body]).toEqual([200, TEXT])
  })

  it('is answered with 404 when it is gone, under every condition', async () => {
    const { ask, remove } = await proxy(driver)
    await remove()
    for (const headers of [{}, { range: 'bytes=0-1' }, { 'if-none-match': '*' }, { 'if-match': '*' }])
      for (const method of ['GET', 'HEAD']) expect((await ask(headers, method)).status).toBe(404)
  })

  it('ends its download when the client leaves, and that is no error', async () => {
    const bodies: Readable[] = []
    const watched = watch(driver, body => bodies.push(body))
    const { url, errors } = await proxy(watched, Buffer.alloc(12_000_000))
    const incoming = httpGet(url)
    const [response] = (await once(incoming, 'response')) as [IncomingMessage]
    await once(response, 'data')
    response.on('error', () => {})
    incoming.destroy()
    await vi.waitFor(() => expect(bodies.map(body => body.destroyed)).toEqual([true]), 5_000)
    await sleep(100)
    expect(errors).toEqual([])
  })
}

/** Tells the body of each download; everything else is the driver's own. */
function watch(driver: Driver, onGet: (body: Readable) => void): Driver {
  return {
    kind: driver.kind,
    capabilities: driver.capabilities,
    ready: () => driver.ready(),
    put: (key, body, options) => driver.put(key, body, options),
    get: async (key, options) => {
      const found = await driver.get(key, options)
      onGet(found.body)
      return found
    },
    head: (key, options) => driver.head(key, options),
    delete: (key, options) => driver.delete(key, options),
    list: (prefix, options) => driver.list(prefix, options),
    copy: (from, to, options) => driver.copy(from, to, options),
  }
}

describe('a file of the local driver', () => proxyCases(() => new LocalDriver({ root: tempDir() })))
describe('a file of the memory driver', () => proxyCases(() => new MemoryDriver()))
describeWithS3('a file on S3, through the proxy', () => {
  proxyCases(async () => {
    const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
    const bucket = await createBucket('proxied')
    return new S3Driver({ bucket, endpoint, region, credentials: { accessKeyId, secretAccessKey } })
  })
})
describeWithAzurite('a file on Azure, through the proxy', () => {
  proxyCases(async () => driverOn(await createContainer('proxied')))
})
describe('a file on a GCS stub, through the proxy', () => {
  const stub = new GcsStub()
  beforeAll(async () => void (await stub.start()))
  afterAll(() => stub.close())
  proxyCases(() => new GcsDriver({ bucket: stub.createBucket(), client: stubClient(stub) }))
})

describe('a slow reader', () => {
  test('holds back the backend, and no memory', async () => {
    const size = 64 * 1024 * 1024
    let taken = 0
    const driver = new MemoryDriver()
    const counting = watch(driver, () => {})
    counting.get = async (key, options) => {
      const found = await driver.get(key, options)
      found.body.destroy()
      const chunk = Buffer.alloc(64 * 1024)
      const body = Readable.from(
        (function* () {
          for (; taken < size; taken += chunk.length) yield chunk
        })(),
        { objectMode: false },
      )
      return { ...found, body }
    }
    const { url } = await proxy(counting, Buffer.alloc(size))
    const incoming = httpGet(url)
    const [response] = (await once(incoming, 'response')) as [IncomingMessage]
    response.pause()
    await sleep(500)
    expect(taken).toBeLessThan(size / 2)
    let received = 0
    for await (const chunk of response) received += chunk.length
    expect(received).toBe(size)
  })
})
