import { HeadObjectCommand } from '@aws-sdk/client-s3'
import multerS3 from 'multer-s3'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { answerError } from '../support/faulty-proxy.js'
import {
  clientOf,
  createBucket,
  describeWithS3,
  listAllKeys,
  listOpenUploads,
  s3Client,
  s3Connection,
} from '../support/s3.js'
import { PDF, padded } from '../upload/sample-files.js'
import { failOnUnhandled } from '../upload/support.js'
import { behindProxy, multerS3App, ourApp } from './s3-uploads.js'
import { type Answer, file, type Refusal } from './upload-app.js'

failOnUnhandled()

const MIB = 1024 ** 2
const pace = { chunkSize: 512 * 1024, delay: 1 }

/** Where multer-s3 was found to lose or litter, each time with the real one beside it, on the same server. */
describeWithS3('what multer-s3 fails at', () => {
  let bucket: string
  beforeEach(async () => {
    bucket = await createBucket('failures')
  })
  const sizeOf = async (key = '') =>
    (await s3Client().send(new HeadObjectCommand({ Bucket: bucket, Key: key }))).ContentLength

  describe('1. a client that leaves while the type is detected', () => {
    const leaving = { ...pace, abortAfter: 12 * MIB }
    const parts = [file('a', 'a.pdf', padded(PDF, 20 * MIB))]

    it('leaves an open multipart upload with multer-s3', async () => {
      const app = await multerS3App({
        s3: s3Client(),
        bucket,
        contentType: multerS3.AUTO_CONTENT_TYPE,
      })
      await app.send(parts, leaving).catch(() => {})
      await vi.waitFor(() => expect(app.errors).toHaveLength(1), 5_000)
      await new Promise(resolve => setTimeout(resolve, 500))
      expect(await listOpenUploads(bucket)).toHaveLength(1)
    })

    it('leaves nothing here', async () => {
      const app = await ourApp({ bucket })
      await app.send(parts, leaving).catch(() => {})
      await vi.waitFor(() => expect(app.errors).toHaveLength(1), 5_000)
      await vi.waitFor(async () => expect(await listOpenUploads(bucket)).toEqual([]), 5_000)
      expect(app.ledger.lines).toContain('multipart') // else this test shows nothing
      expect(await listAllKeys(bucket)).toEqual([])
    })
  })

  describe('2. a file over the limit, where deleting is denied', () => {
    const fileSize = 1_000
    const parts = [file('a', 'a.pdf', padded(PDF, 3_000))]
    const denying = async () => {
      const proxy = await behindProxy()
      proxy.fault = (req, res, pass) =>
        req.method === 'DELETE' ? answerError(res, 403, 'AccessDenied') : pass()
      return proxy
    }

    it('leaves a truncated object with multer-s3', async () => {
      const { endpoint } = await denying()
      const app = await multerS3App({ s3: clientOf({ ...s3Connection(), endpoint }), bucket }, { fileSize })
      expect((await app.send(parts)).status).toBe(413)
      const [key] = await listAllKeys(bucket)
      expect(await sizeOf(key)).toBe(fileSize + 1)
    })

    it('never reaches the backend here', async () => {
      const proxy = await denying()
      const app = await ourApp({ bucket, endpoint: proxy.endpoint }, { multer: { limits: { fileSize } } })
      expect((await app.send(parts)).status).toBe(413)
      expect([await listAllKeys(bucket), proxy.seen]).toEqual([[], []])
    })
  })

  describe('3. a file over the limit, in the place of a good one', () => {
    const fileSize = 1_000
    const good = [file('a', '42.pdf', padded(PDF, 500))]
    const bad = [file('a', '42.pdf', padded(PDF, 3_000))]

    it('destroys the good one with multer-s3', async () => {
      const key = 'avatars/42.pdf'
      const app = await multerS3App(
        { s3: s3Client(), bucket, key: (_req, _file, done) => done(null, key) },
        { fileSize },
      )
      expect((await app.send(good)).status).toBe(200)
      expect(await listAllKeys(bucket)).toEqual([key])
      expect((await app.send(bad)).status).toBe(413)
      expect(await listAllKeys(bucket)).toEqual([])
    })

    it('leaves the good one alone here, which has a key of its own', async () => {
      const app = await ourApp({ bucket }, { multer: { limits: { fileSize } } })
      const stored = (await app.send(good)).json<Answer>().files?.[0]
      expect((await app.send(bad)).status).toBe(413)
      expect(await listAllKeys(bucket)).toEqual([stored?.key])
      expect(await sizeOf(stored?.key)).toBe(500)
    })
  })

  describe('4. a file that goes up in parts', () => {
    const size = 7 * MIB + 1
    const parts = [file('a', 'a.pdf', padded(PDF, size))]

    it('is reported with size 0 by multer-s3', async () => {
      const app = await multerS3App({ s3: s3Client(), bucket })
      const [got] = (await app.send(parts, pace)).json<Answer>().files ?? []
      expect(got?.size).toBe(0)
      expect(await sizeOf(got?.key)).toBe(size)
    })

    it('is reported with its size here', async () => {
      const app = await ourApp({ bucket })
      const [got] = (await app.send(parts, pace)).json<Answer>().files ?? []
      expect([got?.size, await sizeOf(got?.key)]).toEqual([size, size])
    })
  })

  describe('5. an empty file while the type is detected', () => {
    const parts = [file('a', 'a.pdf', '')]

    it('is never answered by multer-s3', async () => {
      const app = await multerS3App({ s3: s3Client(), bucket, contentType: multerS3.AUTO_CONTENT_TYPE })
      const signal = AbortSignal.timeout(1_500)
      await expect(app.send(parts, { signal })).rejects.toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
      expect(signal.aborted).toBe(true)
    })

    it('is refused here, or stored where the rules say so', async () => {
      const app = await ourApp({ bucket })
      const refused = await app.send(parts)
      expect([refused.status, refused.json<Refusal>().error.code]).toEqual([400, 'ERR_FILE_EMPTY'])
      const taking = await ourApp({ bucket }, { rules: { folder: 'files', empty: 'accept' } })
      const [got] = (await taking.send(parts)).json<Answer>().files ?? []
      expect([got?.size, await sizeOf(got?.key)]).toEqual([0, 0])
    })
  })
})
