import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { StorageError } from '../../../src/core/errors.js'
import { S3Driver, type S3DriverOptions } from '../../../src/drivers/s3/index.js'
import {
  createBucket,
  describeWithS3,
  listAllKeys,
  listOpenUploads,
  s3Client,
  s3Connection,
} from '../../support/s3.js'
import { answerError, type FaultyProxy, loseAnswer, startFaultyProxy, swallow } from './faulty-proxy.js'

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
  const isPut = (method = '') => method === 'PUT'
  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => 'success',
      (error: unknown) => (StorageError.is(error) ? error.code : error),
    )
  const stored = () => listAllKeys(bucket).then(keys => keys.filter(name => name === key))
  const openUploads = () =>
    listOpenUploads(bucket).then(uploads => uploads.filter(upload => upload.key === key))

  it('sends a small body in one request, and no ACL', async () => {
    await driver().put(key, Buffer.from('small'), TEXT)
    expect(proxy.seen).toEqual([`PUT /${bucket}/${key}?x-id=PutObject`])
  })

  it('succeeds with a create-only put whose first answer got lost', async () => {
    proxy.fault = (req, res, pass) => {
      if (!isPut(req.method) || proxy.seen.length > 1) return pass()
      loseAnswer(req, s3Connection().endpoint, () => res.destroy())
    }
    const result = await driver().put(key, Buffer.from('mine'), { ...TEXT, ifNoneMatch: '*' })
    expect(result).toMatchObject({ size: 4, etag: expect.stringMatching(/^"[0-9a-f]{32}"$/) })
    expect(proxy.seen.filter(line => line.startsWith('PUT'))).toHaveLength(2)
  })

  it('refuses a create-only put that lost its answer when the object there is not its own', async () => {
    await s3Client().send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: 'theirs' }))
    proxy.fault = (req, res, pass) => {
      if (!isPut(req.method) || proxy.seen.length > 1) return pass()
      loseAnswer(req, s3Connection().endpoint, () => res.destroy())
    }
    const put = driver().put(key, Buffer.from('mine'), { ...TEXT, ifNoneMatch: '*' })
    expect(await code(put)).toBe('ERR_FILE_EXISTS')
    expect(await text((await driver().get(key)).body)).toBe('theirs')
  })

  it('succeeds with a put whose answer never came, since the object is there', async () => {
    proxy.fault = (req, _res, pass) => {
      if (!isPut(req.method)) return pass()
      loseAnswer(req, s3Connection().endpoint, () => {})
    }
    const impatient = driver({ requestTimeout: 300, maxAttempts: 1 })
    expect(await impatient.put(key, Buffer.from('mine'), TEXT)).toMatchObject({ size: 4 })
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

  it('takes back an object that arrived although the put was aborted', async () => {
    const abort = new AbortController()
    proxy.fault = (req, _res, pass) => {
      if (!isPut(req.method)) return pass()
      loseAnswer(req, s3Connection().endpoint, () => abort.abort())
    }
    const put = driver().put(key, Buffer.from('mine'), { ...TEXT, signal: abort.signal })
    expect(await code(put)).toBe('ERR_UPLOAD_ABORTED')
    expect(await stored()).toEqual([])
  })

  it("never takes back somebody else's object", async () => {
    const abort = new AbortController()
    proxy.fault = async (req, _res, pass) => {
      if (!isPut(req.method)) return pass()
      swallow(req)
      await s3Client().send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: 'theirs' }))
      abort.abort()
    }
    const put = driver().put(key, Buffer.from('mine'), { ...TEXT, signal: abort.signal })
    expect(await code(put)).toBe('ERR_UPLOAD_ABORTED')
    await s3Client().send(new HeadObjectCommand({ Bucket: bucket, Key: key }))
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

  it('ends every call to a server that never answers', async () => {
    proxy.fault = req => swallow(req)
    const impatient = driver({ requestTimeout: 200, maxAttempts: 1 })
    const list = async () => {
      for await (const _ of impatient.list('')) return
    }
    const calls = [
      impatient.get(key),
      impatient.head(key),
      impatient.delete(key),
      list(),
      impatient.put(key, Buffer.from('x'), TEXT),
      impatient.put(key, LARGE, TEXT),
    ]
    expect(await Promise.all(calls.map(code))).toEqual(calls.map(() => 'ERR_BACKEND_TIMEOUT'))
  })

  it('listens to an abort while the SDK pauses between its attempts', async () => {
    proxy.fault = (_req, res) => answerError(res, 503, 'SlowDown', { 'retry-after': '20' })
    const started = Date.now()
    const head = driver({ maxAttempts: 5 }).head(key, { signal: AbortSignal.timeout(100) })
    expect(await code(head)).toBe('ERR_UPLOAD_ABORTED')
    expect(Date.now() - started).toBeLessThan(2_000)
  })

  it('ends a download that falls silent', async () => {
    proxy.fault = (_req, res) => {
      res.writeHead(200, { 'content-length': '100' })
      res.write('only this')
    }
    const { body } = await driver({ idleTimeout: 200 }).get(key)
    expect(await code(text(body))).toBe('ERR_BACKEND_TIMEOUT')
  })

  it('fails a download that the server ends early', async () => {
    proxy.fault = (_req, res) => {
      res.writeHead(200, { 'content-length': '100' })
      res.write('only this', () => res.destroy())
    }
    const { body } = await driver().get(key)
    expect(await code(text(body))).toBe('ERR_BACKEND')
  })

  it('lets a reader take its time', async () => {
    await driver().put(key, LARGE, TEXT)
    const { body } = await driver({ idleTimeout: 100, requestTimeout: 200 }).get(key)
    let size = 0
    for await (const chunk of body) {
      if (size < 200_000) await sleep(150)
      size += chunk.length
    }
    expect(size).toBe(LARGE.length)
  })

  it('ends a download with its signal', async () => {
    await driver().put(key, LARGE, TEXT)
    const abort = new AbortController()
    const { body } = await driver().get(key, { signal: abort.signal })
    setTimeout(() => abort.abort(), 20)
    const read = async () => {
      for await (const _ of body) await sleep(20)
    }
    expect(await code(read())).toBe('ERR_UPLOAD_ABORTED')
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
