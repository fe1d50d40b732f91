import { setTimeout as sleep } from 'node:timers/promises'
import { CreateMultipartUploadCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { StorageError } from '../../../src/core/errors.js'
import { S3Driver, type S3DriverOptions } from '../../../src/drivers/s3/index.js'
import { afterThisTest } from '../../support/ends.js'
import {
  answerError,
  type Fault,
  type FaultyProxy,
  loseAnswer,
  startFaultyProxy,
  swallow,
} from '../../support/faulty-proxy.js'
import { createBucket, describeWithS3, listOpenUploads, s3Client, s3Connection } from '../../support/s3.js'

const MIB = 1024 * 1024
const TEXT = { contentType: 'text/plain' }
const LARGE = Buffer.alloc(11 * MIB, 'large')

describeWithS3('the S3 driver behind a connection that fails', () => {
  let proxy: FaultyProxy
  let bucket: string
  let number = 0
  let key: string
  beforeAll(async () => {
    proxy = await startFaultyProxy(s3Connection().endpoint)
    bucket = await createBucket('faults')
  })
  afterAll(() => proxy.close())
  beforeEach(() => {
    proxy.fault = undefined
    proxy.seen = []
    key = `${number++}/file.txt`
  })

  function driver(options: Partial<S3DriverOptions> = {}): S3Driver {
    const { accessKeyId, secretAccessKey } = s3Connection()
    return new S3Driver({
      bucket,
      endpoint: proxy.endpoint,
      credentials: { accessKeyId, secretAccessKey },
      partSize: 5 * MIB,
      maxAttempts: 2,
      ...options,
    })
  }
  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => 'success',
      (error: unknown) => (StorageError.is(error) ? error.code : error),
    )
  const openUploads = () =>
    listOpenUploads(bucket).then(uploads => uploads.filter(upload => upload.key === key))

  it('sends a small body in one request', async () => {
    await driver().put(key, Buffer.from('small'), TEXT)
    expect(proxy.seen).toEqual([`PUT /${bucket}/${key}`])
  })

  it('sends no ACL with any request, for buckets that know none', async () => {
    const headers: string[] = []
    proxy.fault = (req, _res, pass) => {
      headers.push(...Object.keys(req.headers))
      return pass()
    }
    const one = driver()
    await one.put(key, Buffer.from('small'), TEXT)
    await one.put(key, LARGE, { ...TEXT, contentDisposition: 'inline', cacheControl: 'no-store' })
    await one.copy(key, `${key}.copy`)
    await one.delete(key)
    expect(headers).toContain('x-amz-meta-put-id')
    expect(headers.filter(name => /acl|grant/.test(name))).toEqual([])
    expect(proxy.seen.filter(line => /[?&]acl/.test(line))).toEqual([])
  })

  it('signs anew by the clock of the server when its own is wrong', async () => {
    const dates: string[] = []
    // The answer of a server an hour ahead; Ceph itself cannot be set to another time.
    proxy.fault = (req, res, pass) => {
      dates.push(String(req.headers['x-amz-date']))
      if (dates.length > 1) return pass()
      swallow(req)
      const date = new Date(Date.now() + 3_600_000).toUTCString()
      answerError(res, 403, 'RequestTimeTooSkewed', { date })
    }
    const error = await driver({ maxAttempts: 2 })
      .get(key)
      .catch((reason: unknown) => reason)
    const [first = '', second = ''] = dates.map(date => date.slice(0, 11))
    expect(dates).toHaveLength(2)
    expect(second > first).toBe(true)
    // Ceph's own clock is not ahead, so it now refuses for the same reason.
    expect(error).toMatchObject({ code: 'ERR_BACKEND', message: expect.stringMatching(/clock/) })
  })

  it('succeeds with a multipart upload whose completion lost its answer', async () => {
    proxy.fault = (req, res, pass) => {
      const completes = req.method === 'POST' && req.url?.includes('uploadId=')
      if (!completes) return pass()
      loseAnswer(req, s3Connection().endpoint, () => res.destroy())
    }
    const result = await driver().put(key, LARGE, { ...TEXT, ifNoneMatch: '*' })
    expect(result).toMatchObject({ size: LARGE.length, etag: expect.stringMatching(/-3"$/) })
    expect(await openUploads()).toEqual([])
  })

  it('aborts the multipart upload when a part fails, also while the body stalls', async () => {
    proxy.fault = (req, res, pass) => {
      if (!req.url?.includes('partNumber=')) return pass()
      swallow(req)
      answerError(res, 400, 'BadDigest')
    }
    const { Readable } = await import('node:stream')
    const body = new Readable({ read() {} })
    body.push(Buffer.alloc(11 * MIB))
    const put = driver().put(key, body, TEXT)
    expect(await code(put)).toBe('ERR_BACKEND')
    expect(body.destroyed).toBe(true)
    expect(await openUploads()).toEqual([])
  })

  it('tells the id of a multipart upload before its first part', async () => {
    let id = ''
    const onMultipart = async (uploadId: string) => {
      await sleep(50)
      expect(proxy.seen.some(line => line.includes('partNumber='))).toBe(false)
      expect(await openUploads()).toEqual([{ key, uploadId }])
      id = uploadId
    }
    await driver().put(key, LARGE, { ...TEXT, onMultipart })
    expect(id).not.toBe('')
    expect(await openUploads()).toEqual([])
  })

  it('aborts the multipart upload when its id cannot be recorded', async () => {
    const onMultipart = async () => {
      throw new Error('no database')
    }
    expect(await code(driver().put(key, LARGE, { ...TEXT, onMultipart }))).toBe('ERR_UPLOAD_ABORTED')
    expect(await openUploads()).toEqual([])
    expect(proxy.seen.some(line => line.includes('partNumber='))).toBe(false)
  })

  it.each(['own', 'sdk'] as const)(
    'tells of a multipart upload that it could not abort, with the transport %s',
    async transport => {
      const begun = (method = '', url = '') => method === 'POST' && /[?&]uploads/.test(url)
      const faults: [string, Fault][] = [
        ['ERR_BACKEND', (_req, res) => answerError(res, 400, 'BadDigest')],
        ['ERR_UPLOAD_ABORTED', (_req, _res, pass) => pass()],
      ]
      for (const [first, fault] of faults) {
        const told: unknown[] = []
        const abort = new AbortController()
        const onMultipart = async () => {
          if (first === 'ERR_UPLOAD_ABORTED') abort.abort()
        }
        proxy.fault = (req, res, pass) => {
          if (req.method === 'DELETE') return answerError(res, 403, 'AccessDenied')
          return req.url?.includes('partNumber=') ? fault(req, res, pass) : pass()
        }
        const onLeftover = (error: unknown) => void told.push(error)
        const options = { ...TEXT, signal: abort.signal, onMultipart, onLeftover }
        expect(await code(driver({ transport }).put(key, LARGE, options))).toBe(first)
        expect(told).toMatchObject([{ code: 'ERR_BACKEND_DENIED', operation: 'abortUpload' }])
      }
      expect(await openUploads()).toHaveLength(2)
      // and of one whose beginning lost its answer, so that nobody knows whether it is there
      proxy.fault = (req, res, pass) => {
        if (req.method === 'GET') return answerError(res, 403, 'AccessDenied')
        return begun(req.method, req.url) ? void res.destroy() : pass()
      }
      const told: unknown[] = []
      const onLeftover = (error: unknown) => void told.push(error)
      const options = { ...TEXT, ifNoneMatch: '*', onLeftover } as const
      expect(await code(driver({ transport, retryDelay: 5 }).put(key, LARGE, options))).toMatch(
        /^ERR_BACKEND/,
      )
      expect(told).toMatchObject([{ code: 'ERR_BACKEND_DENIED', operation: 'listUploads' }])
    },
  )

  it('aborts a multipart upload that is begun while the put is aborted', async () => {
    const abort = new AbortController()
    proxy.fault = async (req, _res, pass) => {
      if (req.method === 'POST' && req.url?.includes('uploads')) {
        abort.abort()
        await sleep(200)
      }
      return pass()
    }
    const put = driver().put(key, LARGE, { ...TEXT, signal: abort.signal })
    expect(await code(put)).toBe('ERR_UPLOAD_ABORTED')
    await sleep(500)
    expect(await openUploads()).toEqual([])
  })

  it.each(['own', 'sdk'] as const)(
    'leaves no multipart upload whose beginning lost its answer, with the transport %s',
    async transport => {
      let lost = 0
      const begins = (times: number): Fault => {
        lost = 0
        return (req, res, pass) => {
          if (req.method !== 'POST' || !/[?&]uploads/.test(req.url ?? '') || lost >= times) return pass()
          lost++
          loseAnswer(req, s3Connection().endpoint, () => res.destroy())
        }
      }
      const one = driver({ transport, retryDelay: 5 })
      const options = { ...TEXT, ifNoneMatch: '*' } as const
      proxy.fault = begins(2)
      expect(await code(one.put(key, LARGE, options))).toMatch(/^ERR_BACKEND/)
      expect([lost, await openUploads()]).toEqual([2, []])
      proxy.fault = begins(1)
      expect(await one.put(key, LARGE, options)).toMatchObject({ size: LARGE.length })
      expect([lost, await openUploads()]).toEqual([1, []])
    },
  )

  it('does not believe in success before the whole body was sent', async () => {
    const early: Fault = (_req, res) => void res.writeHead(200, { etag: '"early"' }).end()
    proxy.fault = (req, res, pass) =>
      proxy.seen.length === 1 && req.method === 'PUT' ? early(req, res, pass) : pass()
    // More than the kernel holds and node's server takes in the turns that it is given.
    const body = Buffer.alloc(30 * MIB, 'large')
    const one = driver({ partSize: 32 * MIB, retryDelay: 5 })
    const { etag } = await one.put(key, body, TEXT)
    expect(etag).not.toBe('"early"')
    expect((await one.head(key)).size).toBe(body.length)
    proxy.fault = (req, res, pass) => (req.method === 'PUT' ? early(req, res, pass) : pass())
    expect(await code(one.put(`${key}.never`, body, TEXT))).toBe('ERR_BACKEND')
  })

  it('does not believe it either where the server reads no further', async () => {
    // Said past node's server, which would read the rest of the body once it has answered by itself.
    const early: Fault = req =>
      void req.socket.write('HTTP/1.1 200 OK\r\netag: "early"\r\ncontent-length: 0\r\n\r\n')
    proxy.fault = (req, res, pass) =>
      proxy.seen.length === 1 && req.method === 'PUT' ? early(req, res, pass) : pass()
    const body = Buffer.alloc(15 * MIB, 'x') // more than the kernel holds for a reader who does not read
    const { etag } = await driver({ partSize: 16 * MIB, retryDelay: 5 }).put(key, body, TEXT)
    expect(etag).not.toBe('"early"')
  })

  it('leaves an upload of somebody else alone where the key is not its own', async () => {
    const client = s3Client()
    await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: key }))
    let lost = false
    proxy.fault = (req, res, pass) => {
      if (lost || req.method !== 'POST') return pass()
      lost = true
      answerError(res, 503, 'SlowDown')
    }
    await driver({ retryDelay: 5 }).put(key, LARGE, TEXT)
    expect(await openUploads()).toHaveLength(1)
  })

  it('sends nothing of a put that is aborted while new credentials are on their way', async () => {
    const { accessKeyId, secretAccessKey } = s3Connection()
    let answered = () => {}
    let pause = Promise.resolve()
    const credentials = async () => {
      await pause
      return { accessKeyId, secretAccessKey, expiration: new Date(Date.now() + 50) }
    }
    const one = driver({ credentials })
    await one.ready()
    pause = new Promise(resolve => {
      answered = resolve
    })
    await sleep(60)
    const abort = new AbortController()
    const put = code(one.put(key, Buffer.from('small'), { ...TEXT, signal: abort.signal }))
    await sleep(20)
    abort.abort()
    answered()
    expect(await put).toBe('ERR_UPLOAD_ABORTED')
    expect(proxy.seen.filter(line => line.startsWith('PUT'))).toEqual([])
    await one.close()
  })

  it('keeps no connection of an upload that goes on while it is closed', async () => {
    const ownProxy = await startFaultyProxy(s3Connection().endpoint)
    afterThisTest(() => ownProxy.close())
    const one = driver({ endpoint: ownProxy.endpoint, retryDelay: 5 })
    ownProxy.fault = async (_req, res, pass) => {
      if (ownProxy.seen.length > 1) return pass()
      await one.close()
      answerError(res, 503, 'SlowDown')
    }
    expect(await one.put(key, Buffer.from('small'), TEXT)).toMatchObject({ size: 5 })
    await sleep(50)
    expect([ownProxy.seen.length, await ownProxy.connections()]).toEqual([2, 0])
  })

  it('keeps no connection where it is closed while it gets ready', async () => {
    const ownProxy = await startFaultyProxy(s3Connection().endpoint)
    afterThisTest(() => ownProxy.close())
    const one = driver({ endpoint: ownProxy.endpoint })
    const put = one.put(key, Buffer.from('small'), TEXT)
    await one.close()
    expect(await put).toMatchObject({ size: 5 })
    await sleep(50)
    expect(await ownProxy.connections()).toBe(0)
  })

  it('ends a large put to a server that never answers', async () => {
    proxy.fault = req => swallow(req)
    const impatient = driver({ requestTimeout: 200, maxAttempts: 1 })
    expect(await code(impatient.put(key, LARGE, TEXT))).toBe('ERR_BACKEND_TIMEOUT')
  })

  it('does not believe a listing that never ends', async () => {
    proxy.fault = (_req, res) => {
      res.writeHead(200, { 'content-type': 'application/xml' })
      res.end(
        '<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a</NextContinuationToken></ListBucketResult>',
      )
    }
    const list = async () => {
      for await (const _ of driver().list(''));
    }
    expect(await code(list())).toBe('ERR_BACKEND')
  })

  it.each([
    {
      status: 301,
      name: 'PermanentRedirect',
      headers: { 'x-amz-bucket-region': 'eu-west-1' },
      says: /region "eu-west-1"/,
    },
    { status: 301, name: 'PermanentRedirect', headers: {}, says: /another region/ },
    { status: 307, name: 'TemporaryRedirect', headers: {}, says: /another region/ },
    { status: 400, name: 'AuthorizationHeaderMalformed', headers: {}, says: /another region/ },
    { status: 403, name: 'RequestTimeTooSkewed', headers: {}, says: /clock/ },
    { status: 507, name: 'InsufficientStorage', headers: {}, says: /full/, is: 'ERR_DISK_FULL' },
    { status: 400, name: 'ExpiredToken', headers: {}, says: /expired/, is: 'ERR_BACKEND_DENIED' },
    { status: 418, name: 'Teapot', headers: {}, says: /answered 418 \(Teapot\)/ },
  ])('says what to do about $status $name', async ({ status, name, headers, says, is = 'ERR_BACKEND' }) => {
    proxy.fault = (req, res) => {
      swallow(req)
      answerError(res, status, name, headers as Record<string, string>)
    }
    const error = await driver({ maxAttempts: 1 })
      .get(key)
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: is, message: expect.stringMatching(says), key, operation: 'get' })
    expect((error as Error).cause).toMatchObject({ name })
  })
})
