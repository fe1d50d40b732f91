import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { StorageError } from '../../../src/core/errors.js'
import { GcsDriver, type GcsDriverOptions } from '../../../src/drivers/gcs/index.js'
import { answerError, GcsStub, type StubFault } from '../../support/gcs-stub.js'
import { stubClient } from './stub-client.js'

const MIB = 1024 * 1024
const TEXT = { contentType: 'text/plain' }
const LARGE = Buffer.alloc(9 * MIB + 17, 'large')

describe('reading with the GCS driver from a GCS stub that fails', () => {
  const stub = new GcsStub()
  let bucket: string
  let number = 0
  let key: string
  beforeAll(async () => {
    await stub.start()
    bucket = stub.createBucket()
  })
  afterAll(() => stub.close())
  beforeEach(() => {
    stub.fault = undefined
    stub.seen = []
    key = `${number++}/file.txt`
    stub.store.store(bucket, key, LARGE, TEXT)
  })

  const driver = (options: Partial<GcsDriverOptions> = {}) =>
    new GcsDriver({ bucket, client: stubClient(stub), maxAttempts: 2, ...options })
  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => 'success',
      (error: unknown) => (StorageError.is(error) ? error.code : error),
    )
  const onMedia =
    (fault: StubFault): StubFault =>
    (req, res, ways) =>
      req.url?.includes('alt=media') ? fault(req, res, ways) : ways.pass()

  it('ends a large put to a server that never answers', async () => {
    stub.fault = req => void req.resume()
    const impatient = driver({ requestTimeout: 200, maxAttempts: 1 })
    expect(await code(impatient.put(key, LARGE, TEXT))).toBe('ERR_BACKEND_TIMEOUT')
  })

  it('closes the connection of a call that was aborted', async () => {
    const abort = new AbortController()
    let closed: Promise<unknown> = Promise.resolve()
    stub.fault = req => {
      closed = new Promise(resolve => req.socket.once('close', resolve))
      abort.abort()
    }
    expect(await code(driver().head(key, { signal: abort.signal }))).toBe('ERR_UPLOAD_ABORTED')
    await closed
  })

  it('fails a download that ends early', async () => {
    stub.fault = onMedia((_req, res) => void res.end('only this'))
    const { body } = await driver().get(key)
    expect(await code(text(body))).toBe('ERR_BACKEND')
  })

  it('fails a download of other bytes than were stored', async () => {
    stub.fault = onMedia((_req, res) => void res.end(Buffer.alloc(LARGE.length, 'other')))
    const { body } = await driver().get(key)
    await expect(text(body)).rejects.toMatchObject({ code: 'ERR_BACKEND', message: /CRC32C/ })
  })

  it('fails a range that is answered with the whole file', async () => {
    stub.fault = onMedia((req, _res, { pass }) => {
      delete req.headers.range
      return pass()
    })
    expect(await code(driver().get(key, { range: { start: 1, end: 2 } }))).toBe('ERR_BACKEND')
  })

  it('gives the new bytes when the object is replaced between its two requests', async () => {
    let isDone = false
    stub.fault = onMedia((_req, _res, { pass }) => {
      if (!isDone) stub.store.store(bucket, key, Buffer.from('new'), TEXT)
      isDone = true
      return pass()
    })
    const { body, info } = await driver().get(key)
    expect(await text(body)).toBe('new')
    expect(info.size).toBe(3)
  })

  it('ends a download with its signal, and no other one', async () => {
    const abort = new AbortController()
    const one = driver()
    const [ended, other] = await Promise.all([one.get(key, { signal: abort.signal }), one.get(key)])
    setTimeout(() => abort.abort(), 20)
    const read = async () => {
      for await (const _ of ended.body) await sleep(20)
    }
    expect(await code(read())).toBe('ERR_UPLOAD_ABORTED')
    expect((await text(other.body)).length).toBe(LARGE.length)
  })

  it('copies a large object in several steps', async () => {
    await driver().copy(key, `${key}.copy`)
    expect(stub.seen.filter(line => line.includes('/rewriteTo/'))).toHaveLength(3)
    expect((await driver().head(`${key}.copy`)).size).toBe(LARGE.length)
  })

  it('does not believe a listing or a copy that never ends', async () => {
    stub.fault = (_req, res) => {
      res.writeHead(200, { 'content-type': 'application/json' })
      res.end('{"nextPageToken":"a","done":false,"rewriteToken":"a","totalBytesRewritten":"1"}')
    }
    const list = async () => {
      for await (const _ of driver().list(''));
    }
    expect(await code(list())).toBe('ERR_BACKEND')
    expect(await code(driver().copy(key, `${key}.copy`))).toBe('ERR_BACKEND')
  })

  it("is not taken in by a proxy's page", async () => {
    stub.fault = (_req, res) => void res.end('<html>Please log in</html>')
    expect(await code(driver().head(key))).toBe('ERR_BACKEND')
  })

  it.each([
    { status: 401, reason: 'authError', is: 'ERR_BACKEND_DENIED', says: /clock/ },
    { status: 403, reason: 'forbidden', is: 'ERR_BACKEND_DENIED', says: /roles/ },
    { status: 403, reason: 'rateLimitExceeded', is: 'ERR_BACKEND', says: /slow down/ },
    { status: 416, reason: 'requestedRangeNotSatisfiable', is: 'ERR_RANGE', says: /range/ },
    { status: 504, reason: 'gatewayTimeout', is: 'ERR_BACKEND_TIMEOUT', says: /in time/ },
    { status: 418, reason: 'teapot', is: 'ERR_BACKEND', says: /answered 418 \(teapot\)/ },
  ])('says what to do about $status $reason', async ({ status, reason, is, says }) => {
    stub.fault = (_req, res) => answerError(res, status, reason)
    const error = await driver({ maxAttempts: 1 })
      .get(key)
      .catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code: is, message: expect.stringMatching(says), key, operation: 'get' })
    expect((error as Error).cause).toMatchObject({ status, reason })
  })
})
