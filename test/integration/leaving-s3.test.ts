import express from 'express'
import multer from 'multer'
import { expect, it, onTestFinished, vi } from 'vitest'
import { createStorage } from '../../src/core/index.js'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { answerErrors, tenant } from '../../src/express/index.js'
import { tenantStorage } from '../../src/multer/index.js'
import { sendSlowly } from '../../src/testing/index.js'
import { createBucket, describeWithS3, listAllKeys, listOpenUploads, s3Connection } from '../support/s3.js'
import { padded } from '../upload/sample-files.js'
import { failOnUnhandled } from '../upload/support.js'
import { listen } from './http.js'

failOnUnhandled()

const MIB = 1024 * 1024

/** An application that stores on a real S3 server, in parts of 5 MiB. */
async function s3App(limits: multer.Options['limits']) {
  const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
  const bucket = await createBucket('leaving')
  const credentials = { accessKeyId, secretAccessKey }
  const driver = new S3Driver({ bucket, endpoint, region, credentials, partSize: 5 * MIB })
  const storage = createStorage({ secret: 'a secret that is long enough', backends: { s3: driver } })
  onTestFinished(() => storage.close())
  const errors: unknown[] = []
  const app = express()
  app.use(tenant({ resolve: () => 'acme' }))
  app.post(
    '/',
    multer({ limits, storage: tenantStorage(storage, { folder: 'files' }) }).any(),
    (_req, res) => {
      res.json('stored')
    },
  )
  app.use((error: unknown, _req: express.Request, _res: express.Response, next: express.NextFunction) => {
    errors.push(error)
    next(error)
  })
  app.use(answerErrors())
  const { url } = await listen(app)
  const send = (size: number, abortAfter?: number) =>
    sendSlowly({
      url,
      parts: [{ name: 'file', filename: 'a.pdf', body: padded('%PDF-1.4\n', size) }],
      chunkSize: 512 * 1024,
      delay: 1,
      ...(abortAfter === undefined ? {} : { abortAfter }),
    })
  const expectNothingLeft = async () => {
    await vi.waitFor(() => expect(errors).toHaveLength(1), 10_000)
    expect(await listAllKeys(bucket)).toEqual([])
    expect(await listOpenUploads(bucket)).toEqual([])
  }
  return { send, expectNothingLeft }
}

describeWithS3('a multipart upload to a real S3 server', () => {
  it.each([3, 12])('whose client leaves after %i MiB leaves no object and no open upload', async sent => {
    const { send, expectNothingLeft } = await s3App({})
    await expect(send(20 * MIB, sent * MIB)).rejects.toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
    await expectNothingLeft()
  })

  it.each([1, 12])('over a limit of Multer of %i MiB leaves no object and no open upload', async limit => {
    const { send, expectNothingLeft } = await s3App({ fileSize: limit * MIB })
    expect((await send(20 * MIB)).status).toBe(413)
    await expectNothingLeft()
  })
})
