import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { StorageError } from '../../../src/core/errors.js'
import { GcsDriver, type GcsDriverOptions } from '../../../src/drivers/gcs/index.js'
import { answerError, GcsStub, type StubFault } from '../../support/gcs-stub.js'
import { stubClient } from './stub-client.js'

const MIB = 1024 * 1024
const TEXT = { contentType: 'text/plain' }
const LARGE = Buffer.from(Array.from({ length: 3 * MIB + 17 }, (_, index) => (index * 7) % 251))

describe('the GCS driver on a GCS stub that fails', () => {
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
    stub.keep = undefined
    stub.isCorrupting = false
    stub.seen = []
    key = `${number++}/file.txt`
  })

  const driver = (options: Partial<GcsDriverOptions> = {}) =>
    new GcsDriver({ bucket, client: stubClient(stub), chunkSize: MIB, maxAttempts: 2, ...options })
  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => 'success',
      (error: unknown) => (StorageError.is(error) ? error.code : error),
    )
  const stored = () => stub.keys(bucket).filter(name => name === key)
  const open = () => stub.openSessions(bucket).filter(name => name === key)
  const uploads = () => stub.seen.filter(line => line.includes('/upload/'))
  /** Lets `fault` have the first request that `isMeant`, and passes all others. */
  const once = (isMeant: (line: string) => boolean, fault: StubFault): StubFault => {
    let isDone = false
    return (req, res, ways) => {
      if (isDone || !isMeant(`${req.method} ${req.url}`)) return ways.pass()
      isDone = true
      return fault(req, res, ways)
    }
  }
  const isChunk = (line: string) => line.startsWith('PUT') && line.includes('upload_id=')
  const loseAnswer: StubFault = async (_req, res, { work }) => {
    await work()
    res.destroy()
  }

  it('sends a small body in one request', async () => {
    await driver().put(key, Buffer.from('small'), TEXT)
    expect(stub.seen).toEqual([expect.stringContaining('uploadType=multipart')])
  })

  it('sends a body of exactly one chunk in one request, and one byte more in two chunks', async () => {
    await driver().put(key, LARGE.subarray(0, MIB), TEXT)
    expect(uploads()).toHaveLength(1)
    await driver().put(key, Readable.from([LARGE.subarray(0, MIB), LARGE.subarray(0, 1)]), TEXT)
    expect(uploads().filter(isChunk)).toHaveLength(2)
    expect((await driver().head(key)).size).toBe(MIB + 1)
  })

  it.each([
    { what: 'the first chunk', isMeant: (line: string) => isChunk(line) },
    { what: 'the last chunk', isMeant: (line: string) => isChunk(line) && uploads().length === 5 },
  ])('goes on after the answer to $what got lost', async ({ isMeant }) => {
    stub.fault = once(isMeant, loseAnswer)
    await driver().put(key, LARGE, { ...TEXT, ifNoneMatch: '*' })
    expect(Buffer.from(await readBytes()).equals(LARGE)).toBe(true)
    expect(open()).toEqual([])
  })

  it('goes on after a connection that broke in the middle of a chunk', async () => {
    stub.fault = once(isChunk, (req, res) => void req.once('data', () => res.destroy()))
    await driver().put(key, LARGE, TEXT)
    expect(Buffer.from(await readBytes()).equals(LARGE)).toBe(true)
  })

  it('sends the rest of chunks of which a part was kept only', async () => {
    stub.keep = 256 * 1024 * 3
    await driver().put(key, LARGE, TEXT)
    expect(Buffer.from(await readBytes()).equals(LARGE)).toBe(true)
  })

  it('settles a resumable upload whose last answers all got lost', async () => {
    stub.fault = (req, res, ways) =>
      isChunk(`${req.method} ${req.url}`) && uploads().length >= 5 ? loseAnswer(req, res, ways) : ways.pass()
    const result = await driver({ maxAttempts: 1 }).put(key, LARGE, { ...TEXT, ifNoneMatch: '*' })
    expect(result.size).toBe(LARGE.length)
    expect(open()).toEqual([])
  })

  it.each([
    { what: 'a small body', bytes: LARGE.subarray(0, 20_000) },
    { what: 'a large body', bytes: LARGE },
  ])('notices that $what changed on its way, and no object appears', async ({ bytes }) => {
    stub.isCorrupting = true
    const put = driver().put(key, bytes, TEXT)
    const error = await put.catch((reason: unknown) => reason)
    stub.isCorrupting = false
    expect(error).toMatchObject({ code: 'ERR_BACKEND', message: expect.stringContaining('answered 400') })
    expect([...stored(), ...open()]).toEqual([])
  })

  it('sends its token to start a resumable upload, and no further', async () => {
    const withToken: string[] = []
    stub.fault = (req, _res, { pass }) => {
      if (req.headers.authorization !== undefined) withToken.push(req.method ?? '')
      return pass()
    }
    await driver().put(key, LARGE, TEXT)
    expect(withToken).toEqual(['POST'])
  })

  it('deletes the session when a chunk is refused, also while the body stalls', async () => {
    stub.fault = (req, res, { pass }) => {
      if (!isChunk(`${req.method} ${req.url}`)) return pass()
      req.resume()
      answerError(res, 400, 'badRequest')
    }
    const body = new Readable({ read() {} })
    body.push(LARGE)
    expect(await code(driver().put(key, body, TEXT))).toBe('ERR_BACKEND')
    expect(body.destroyed).toBe(true)
    expect([...stored(), ...open()]).toEqual([])
  })

  it('deletes the session when the put is aborted in the middle of a chunk', async () => {
    const abort = new AbortController()
    stub.fault = once(isChunk, req => {
      req.resume()
      abort.abort()
    })
    const put = driver().put(key, LARGE, { ...TEXT, signal: abort.signal })
    expect(await code(put)).toBe('ERR_UPLOAD_ABORTED')
    expect([...stored(), ...open()]).toEqual([])
    expect(stub.seen.at(-1)).toMatch(/^DELETE .*upload_id=/)
  })

  it('deletes a session that is begun while the put is aborted', async () => {
    const abort = new AbortController()
    stub.fault = once(
      line => line.includes('uploadType=resumable'),
      async (_req, _res, { pass }) => {
        abort.abort()
        await sleep(200)
        return pass()
      },
    )
    const put = driver().put(key, LARGE, { ...TEXT, signal: abort.signal })
    expect(await code(put)).toBe('ERR_UPLOAD_ABORTED')
    expect([...stored(), ...open()]).toEqual([])
  })

  it('says so when the session was ended by somebody else', async () => {
    stub.fault = once(isChunk, (_req, _res, { pass }) => {
      stub.store.sessions.clear()
      return pass()
    })
    const error = await driver()
      .put(key, LARGE, TEXT)
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'ERR_BACKEND', message: expect.stringContaining('somebody else') })
  })

  it('tells the id of a resumable upload before its first chunk', async () => {
    let id = ''
    const onMultipart = async (uploadId: string) => {
      await sleep(50)
      expect(stub.seen.some(isChunk)).toBe(false)
      id = uploadId
    }
    await driver().put(key, LARGE, { ...TEXT, onMultipart })
    expect([...stub.store.sessions.keys()]).toContain(id)
  })

  it('deletes the session when its id cannot be recorded', async () => {
    const onMultipart = async () => {
      throw new Error('no database')
    }
    expect(await code(driver().put(key, LARGE, { ...TEXT, onMultipart }))).toBe('ERR_UPLOAD_ABORTED')
    expect([...stored(), ...open()]).toEqual([])
  })

  async function readBytes(): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    for await (const chunk of (await driver().get(key)).body) chunks.push(chunk)
    return Buffer.concat(chunks)
  }
})
