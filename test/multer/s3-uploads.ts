import express from 'express'
import multer, { type Options } from 'multer'
import multerS3 from 'multer-s3'
import { onTestFinished } from 'vitest'
import { createStorage, type UploadOptions } from '../../src/core/index.js'
import { S3Driver, type S3DriverOptions } from '../../src/drivers/s3/index.js'
import { answerErrors } from '../../src/express/index.js'
import { type SlowPart, type SlowRequest, sendSlowly } from '../../src/testing/index.js'
import { listen } from '../integration/http.js'
import { type FaultyProxy, startFaultyProxy } from '../support/faulty-proxy.js'
import { s3Connection } from '../support/s3.js'
import { RecordingLedger, SECRET } from '../upload/support.js'
import { type ServeOptions, serveUploads } from './upload-app.js'

/** An application of ours over a bucket. */
export async function ourApp(
  { uploads, ...driver }: Partial<S3DriverOptions> & { bucket: string; uploads?: UploadOptions },
  options: ServeOptions = {},
) {
  const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
  const credentials = { accessKeyId, secretAccessKey }
  const storage = createStorage({
    secret: SECRET,
    ...(uploads && { uploads }),
    backends: { s3: new S3Driver({ endpoint, region, credentials, partSize: 5 * 1024 ** 2, ...driver }) },
  })
  onTestFinished(() => storage.close())
  const ledger = new RecordingLedger().openFor(storage)
  return { ...(await serveUploads(storage, options)), storage, ledger }
}

/** The same route with the real multer-s3. */
export async function multerS3App(
  options: NonNullable<Parameters<typeof multerS3>[0]>,
  limits: NonNullable<Options['limits']> = {},
) {
  const errors: unknown[] = []
  const app = express()
  app.post('/', multer({ storage: multerS3(options), limits }).any(), (req, res) => {
    res.json({ files: req.files })
  })
  app.use((error: unknown, _req: express.Request, _res: express.Response, next: express.NextFunction) => {
    errors.push(error)
    next(error)
  })
  app.use(answerErrors())
  const { url } = await listen(app)
  const send = (parts: SlowPart[], more: Partial<SlowRequest> = {}) =>
    sendSlowly({ url, parts, chunkSize: 256 * 1024, delay: 1, ...more })
  return { send, errors, url }
}

/** The S3 server behind a proxy that misbehaves on request. */
export async function behindProxy(): Promise<FaultyProxy> {
  const proxy = await startFaultyProxy(s3Connection().endpoint)
  onTestFinished(() => proxy.close())
  return proxy
}
