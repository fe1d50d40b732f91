import { setTimeout as sleep } from 'node:timers/promises'
import { S3Client } from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { StorageError } from '../../../src/core/errors.js'
import { S3Driver, type S3DriverOptions } from '../../../src/drivers/s3/index.js'
import {
  answerError,
  type Fault,
  type FaultyProxy,
  loseAnswer,
  startFaultyProxy,
  swallow,
} from '../../support/faulty-proxy.js'
import { createBucket, describeWithS3, listOpenUploads, s3Connection } from '../../support/s3.js'

const MIB = 1024 * 1024
const TEXT = { contentType: 'text/plain' }
const SMALL = Buffer.alloc(300_000, 'small')
const LARGE = Buffer.alloc(11 * MIB, 'large')

/** What goes wrong once and may pass. */
const PASSING: { what: string; fault: Fault }[] = [
  { what: 'a 500', fault: refuse(500, 'InternalError') },
  { what: 'a 503 SlowDown', fault: refuse(503, 'SlowDown') },
  { what: 'a refusal before the body is read', fault: (_req, res) => answerError(res, 503, 'SlowDown') },
  { what: 'a reset', fault: req => void req.socket.resetAndDestroy() },
  {
    what: 'half an answer',
    fault: (req, res) => {
      swallow(req)
      req.on('end', () => {
        res.writeHead(200, { etag: '"half"', 'content-length': '100' })
        res.write('<half', () => res.destroy())
      })
    },
  },
  {
    what: 'a lost answer',
    fault: (req, res) => loseAnswer(req, s3Connection().endpoint, () => res.destroy()),
  },
]

/** The requests that carry a body, by what is in their URL. */
const REQUESTS = [
  { request: 'a small put', body: SMALL, at: '.txt' },
  { request: 'the first part', body: LARGE, at: 'partNumber=1&' },
  { request: 'a later part', body: LARGE, at: 'partNumber=3&' },
]

function refuse(status: number, name: string, headers: Record<string, string> = {}): Fault {
  return (req, res) => {
    swallow(req)
    req.on('end', () => answerError(res, status, name, headers))
  }
}

describeWithS3('a body on its way to S3', () => {
  let proxy: FaultyProxy
  let bucket: string
  let number = 0
  let key: string
  const drivers: S3Driver[] = []
  beforeAll(async () => {
    proxy = await startFaultyProxy(s3Connection().endpoint)
    bucket = await createBucket('transport')
  })
  afterAll(() => proxy.close())
  beforeEach(() => {
    proxy.fault = undefined
    proxy.seen = []
    key = `${number++}/file.txt`
  })
  afterEach(async () => {
    for (const driver of drivers.splice(0)) await driver.close()
    const left = await listOpenUploads(bucket)
    expect(left.filter(upload => upload.key === key)).toEqual([])
    while ((await proxy.connections()) > 0) await sleep(10)
  })

  /** Lets the first `times` requests whose URL has `part` fail. */
  function failAt(part: string, fault: Fault, times = Number.POSITIVE_INFINITY): void {
    let left = times
    proxy.fault = (req, res, pass) =>
      req.method === 'PUT' && req.url?.includes(part) && left-- > 0 ? fault(req, res, pass) : pass()
  }

  describe.each(['own', 'sdk'] as const)('with the transport %s', transport => {
    function driver(options: Partial<S3DriverOptions> = {}): S3Driver {
      const { accessKeyId, secretAccessKey } = s3Connection()
      const credentials = { accessKeyId, secretAccessKey }
      const common = {
        bucket,
        endpoint: proxy.endpoint,
        credentials,
        partSize: 5 * MIB,
        retryDelay: 5,
        transport,
      }
      const made = new S3Driver({ ...common, maxAttempts: 2, ...options })
      drivers.push(made)
      return made
    }
    const code = (promise: Promise<unknown>) =>
      promise.then(
        () => 'success',
        (error: unknown) => (StorageError.is(error) ? error.code : error),
      )

    for (const { request, body, at } of REQUESTS) {
      it.each(PASSING)(`survives $what to ${request}`, async ({ fault }) => {
        failAt(at, fault, 1)
        const one = driver()
        expect(await one.put(key, body, TEXT)).toMatchObject({ size: body.length })
        expect((await one.head(key)).size).toBe(body.length)
      })

      it(`fails for good when ${request} is refused for good, and leaves nothing`, async () => {
        failAt(at, refuse(500, 'InternalError'))
        expect(await code(driver().put(key, body, TEXT))).toBe('ERR_BACKEND')
        proxy.fault = undefined
        expect(await code(driver().head(key))).toBe('ERR_FILE_NOT_FOUND')
      })

      it(`ends ${request} with its signal, and gives up the connection`, async () => {
        const abort = new AbortController()
        let closed = 0
        failAt(at, req => {
          req.on('close', () => closed++)
          req.once('data', () => abort.abort())
        })
        expect(await code(driver().put(key, body, { ...TEXT, signal: abort.signal }))).toBe(
          'ERR_UPLOAD_ABORTED',
        )
        while (closed === 0) await sleep(5)
      })

      it(`says so when something that is no HTTP server answers ${request}`, async () => {
        failAt(at, req => {
          swallow(req)
          req.on('end', () => req.socket.end('SSH-2.0-OpenSSH_9.2\r\n'))
        })
        expect(await code(driver().put(key, body, TEXT))).toBe('ERR_BACKEND')
      })

      it(`follows ${request} into another region, and remembers it`, async () => {
        const scopes: string[] = []
        proxy.fault = (req, res, pass) => {
          const scope = /Credential=[^/]+\/\d+\/([^/]+)\//.exec(String(req.headers.authorization))?.[1] ?? ''
          scopes.push(scope)
          return scope === 'eu-west-3'
            ? pass()
            : refuse(301, 'PermanentRedirect', { 'x-amz-bucket-region': 'eu-west-3' })(req, res, pass)
        }
        const one = driver({ region: 'us-east-1', maxAttempts: 1 })
        await one.put(key, body, TEXT)
        await one.put(key, body, TEXT)
        await one.head(key)
        expect(scopes.filter(scope => scope !== 'eu-west-3')).toEqual(['us-east-1'])
        expect(one.signUrl(key, { method: 'GET', expiresIn: 60, at: 0 })).toContain('eu-west-3')
      })
    }

    // A part has the time that a slow line needs: over a minute.
    it('fails in time when it is never answered, and leaves nothing', async () => {
      failAt('.txt', req => swallow(req))
      const impatient = driver({ requestTimeout: 400, maxAttempts: 1 })
      expect(await code(impatient.put(key, Buffer.from('tiny'), TEXT))).toBe('ERR_BACKEND_TIMEOUT')
    })

    it('is not moved by a server that names the region in which we are', async () => {
      proxy.fault = refuse(301, 'PermanentRedirect', { 'x-amz-bucket-region': 'us-east-1' })
      const put = driver({ region: 'us-east-1', maxAttempts: 1 }).put(key, SMALL, TEXT)
      await expect(put).rejects.toMatchObject({ message: expect.stringContaining('region "us-east-1"') })
      expect(proxy.seen).toHaveLength(1)
    })

    it('is signed by the clock of the server where ours is wrong', async () => {
      const { region, accessKeyId, secretAccessKey } = s3Connection()
      const client = new S3Client({
        endpoint: proxy.endpoint,
        region,
        credentials: { accessKeyId, secretAccessKey },
        forcePathStyle: true,
        requestChecksumCalculation: 'WHEN_REQUIRED',
      })
      // This process alone is an hour ahead: the server is another one.
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 })
      try {
        const one = new S3Driver({ bucket, client, transport })
        await one.put(key, SMALL, TEXT)
        await one.put(key, SMALL, TEXT)
      } finally {
        vi.useRealTimers()
        client.destroy()
      }
      expect(proxy.seen).toHaveLength(3)
      expect(Math.abs(client.config.systemClockOffset + 3_600_000)).toBeLessThan(60_000)
    })
  })

  it.each([
    { request: 'a small put', body: SMALL },
    { request: 'a large one', body: LARGE },
  ])('is not taken for stored because a web server answers 200 to $request', async ({ body }) => {
    proxy.fault = (req, res) => {
      swallow(req)
      req.on('end', () => res.end('<html><body>Welcome</body></html>'))
    }
    const { accessKeyId, secretAccessKey } = s3Connection()
    const credentials = { accessKeyId, secretAccessKey }
    const one = new S3Driver({ bucket, endpoint: proxy.endpoint, credentials, partSize: 5 * MIB })
    drivers.push(one)
    await expect(one.put(key, body, TEXT)).rejects.toMatchObject({ code: 'ERR_BACKEND' })
  })

  it('waits for no "100 Continue"', async () => {
    const expectations: unknown[] = []
    proxy.fault = (req, _res, pass) => {
      expectations.push(req.headers.expect)
      return pass()
    }
    const { accessKeyId, secretAccessKey } = s3Connection()
    const credentials = { accessKeyId, secretAccessKey }
    const one = new S3Driver({ bucket, endpoint: proxy.endpoint, credentials, partSize: 5 * MIB })
    drivers.push(one)
    await one.put(key, LARGE, TEXT)
    expect(expectations.length).toBeGreaterThan(4)
    expect(expectations.filter(value => value !== undefined)).toEqual([])
  })
})
