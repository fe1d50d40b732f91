import { Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ContainerClient } from '@azure/storage-blob'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { StorageError } from '../../../src/core/errors.js'
import type { AzureDriver, AzureDriverOptions } from '../../../src/drivers/azure/index.js'
import { someBytes, streamOf } from '../../../src/testing/driver-cases-support.js'
import { azureConnection, createContainer, describeWithAzurite, listAllBlobs } from '../../support/azure.js'
import {
  answerError,
  type FaultyProxy,
  loseAnswer,
  startFaultyProxy,
  swallow,
} from '../../support/faulty-proxy.js'
import { driverOn } from './driver-on-azurite.js'

const MIB = 1024 * 1024
const TEXT = { contentType: 'text/plain' }
const LARGE = Buffer.alloc(3 * MIB + 17, 'large')

describeWithAzurite('the Azure driver behind a connection that fails', () => {
  let proxy: FaultyProxy
  let container: ContainerClient
  let number = 0
  let key: string
  beforeAll(async () => {
    proxy = await startFaultyProxy(azureConnection().endpoint)
    container = await createContainer('faults')
  })
  afterAll(() => proxy.close())
  beforeEach(() => {
    proxy.fault = undefined
    proxy.seen = []
    key = `${number++}/file.txt`
  })

  function driver(options: Partial<AzureDriverOptions> = {}): AzureDriver {
    const endpoint = `${proxy.endpoint}/${azureConnection().accountName}`
    return driverOn(container, { endpoint, blockSize: MIB, blocksInFlight: 2, maxAttempts: 3, ...options })
  }
  const isBlock = (url = '') => url.includes('comp=block&')
  const isCommit = (url = '') => url.includes('comp=blocklist')
  const lose = (req: Parameters<typeof loseAnswer>[0], after: () => void) =>
    loseAnswer(req, azureConnection().endpoint, after)
  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => 'success',
      (error: unknown) => (StorageError.is(error) ? error.code : error),
    )
  /** Also what only a listing of uncommitted blobs shows. */
  const stored = () => listAllBlobs(container, key)
  const puts = () => proxy.seen.filter(line => line.startsWith('PUT'))

  it('sends a small body in one request', async () => {
    await driver().put(key, Buffer.from('small'), TEXT)
    expect(proxy.seen).toEqual([`PUT /devstoreaccount1/${container.containerName}/${key}`])
  })

  it('has no more blocks on their way than it may', async () => {
    let inFlight = 0
    let most = 0
    proxy.fault = async (req, _res, pass) => {
      if (!isBlock(req.url)) return pass()
      most = Math.max(most, ++inFlight)
      await sleep(20)
      await pass()
      inFlight--
    }
    await driver().put(key, Buffer.alloc(10 * MIB), TEXT)
    expect(most).toBe(2)
    expect(puts()).toHaveLength(11)
  })

  it('keeps the bytes of every block when blocks are tried again in any order', async () => {
    const bytes = someBytes(256 * 1024 + 5)
    let seen = 0
    proxy.fault = (req, res, pass) => {
      if (!isBlock(req.url) || ++seen % 4 > 0) return pass()
      swallow(req)
      if (seen % 8 > 0) answerError(res, 503, 'ServerBusy')
    }
    const blocks = { blockSize: 8 * 1024, blocksInFlight: 3, requestTimeout: 200, maxAttempts: 9 }
    await driver(blocks).put(key, streamOf(bytes), TEXT)
    expect(seen).toBeGreaterThan(40)
    expect(await buffer((await driver().get(key)).body)).toEqual(bytes)
  })

  it('succeeds with blocks whose putting together lost its answer', async () => {
    proxy.fault = (req, res, pass) => (isCommit(req.url) ? lose(req, () => res.destroy()) : pass())
    const result = await driver().put(key, LARGE, { ...TEXT, ifNoneMatch: '*' })
    expect(result).toMatchObject({ size: LARGE.length, etag: expect.stringMatching(/^"/) })
    expect(await text((await driver().get(key)).body)).toBe(LARGE.toString())
  })

  it('takes back a blob of many blocks that arrived although the put was aborted', async () => {
    const abort = new AbortController()
    proxy.fault = (req, _res, pass) => (isCommit(req.url) ? lose(req, () => abort.abort()) : pass())
    const put = driver().put(key, LARGE, { ...TEXT, signal: abort.signal })
    expect(await code(put)).toBe('ERR_UPLOAD_ABORTED')
    expect(await stored()).toEqual([])
  })

  it('ends when a block fails, also while the body stalls, and leaves uncommitted blocks at most', async () => {
    proxy.fault = (req, res, pass) => {
      if (!isBlock(req.url) || puts().length < 2) return pass()
      swallow(req)
      answerError(res, 400, 'Md5Mismatch')
    }
    const body = new Readable({ read() {} })
    body.push(LARGE)
    expect(await code(driver().put(key, body, TEXT))).toBe('ERR_BACKEND')
    expect(body.destroyed).toBe(true)
    expect((await stored()).filter(blob => blob.committed)).toEqual([])
    expect(await code(driver().head(key))).toBe('ERR_FILE_NOT_FOUND')
    proxy.fault = undefined
    await driver().put(key, LARGE, TEXT)
    expect(await text((await driver().get(key)).body)).toBe(LARGE.toString())
  })

  it('says so when another upload took the blocks away, and does not touch that one', async () => {
    proxy.fault = async (req, res, pass) => {
      if (!isCommit(req.url)) return pass()
      swallow(req)
      await container.getBlockBlobClient(key).upload('theirs', 6)
      // As Azure does. Azurite keeps the blocks, so that both uploads succeed there, one after the other.
      answerError(res, 400, 'InvalidBlockList')
    }
    const error = await driver()
      .put(key, LARGE, TEXT)
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'ERR_BACKEND', message: expect.stringContaining('Another upload') })
    expect(await text((await driver().get(key)).body)).toBe('theirs')
  })

  it('ends a put of many blocks to a server that never answers', async () => {
    proxy.fault = req => swallow(req)
    const impatient = driver({ requestTimeout: 200, maxAttempts: 1, blockSize: 1024 })
    const put = impatient.put(key, LARGE.subarray(0, 5_000), TEXT)
    expect(await code(put)).toBe('ERR_BACKEND_TIMEOUT')
  })

  it('reads the last bytes of one and the same blob when it is replaced meanwhile', async () => {
    await driver().put(key, Buffer.from('the first one'), TEXT)
    proxy.fault = async (req, _res, pass) => {
      if (req.method === 'GET') {
        proxy.fault = undefined
        await container.getBlockBlobClient(key).upload('second', 6)
      }
      return pass()
    }
    const { body, range } = await driver().get(key, { range: { suffix: 3 } })
    expect(await text(body)).toBe('ond')
    expect(range).toEqual({ start: 3, end: 5 })
  })

  it('does not believe a listing that never ends', async () => {
    proxy.fault = (_req, res) => {
      res.writeHead(200, { 'content-type': 'application/xml' })
      res.end('<EnumerationResults><Blobs></Blobs><NextMarker>a</NextMarker></EnumerationResults>')
    }
    const list = async () => {
      for await (const _ of driver().list(''));
    }
    expect(await code(list())).toBe('ERR_BACKEND')
  })

  it.each([
    { status: 403, name: 'AuthenticationFailed', says: /clock/, is: 'ERR_BACKEND_DENIED' },
    { status: 409, name: 'BlobArchived', says: /archived/, is: 'ERR_BACKEND' },
    { status: 412, name: 'LeaseIdMissing', says: /lease/, is: 'ERR_BACKEND' },
    { status: 400, name: 'InvalidUri', says: /cannot hold/, is: 'ERR_KEY_INVALID' },
    { status: 418, name: 'Teapot', says: /answered 418 \(Teapot\)/, is: 'ERR_BACKEND' },
  ])('says what to do about $status $name', async ({ status, name, says, is }) => {
    proxy.fault = (req, res) => {
      swallow(req)
      answerError(res, status, name, { 'x-ms-error-code': name, 'x-ms-request-id': 'id of the request' })
    }
    for (const call of [driver().get(key), driver().head(key)]) {
      const error = await call.catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: is, message: expect.stringMatching(says), key })
      expect((error as Error).cause).toMatchObject({ code: name, requestId: 'id of the request' })
    }
  })
})
