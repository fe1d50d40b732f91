import { HeadObjectCommand } from '@aws-sdk/client-s3'
import express from 'express'
import multer, { type Options } from 'multer'
import multerS3 from 'multer-s3'
import { describe, expect, it, onTestFinished, test, vi } from 'vitest'
import { createStorage, type StorageOptions } from '../../src/core/index.js'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { answerErrors, fromHeader, tenant } from '../../src/express/index.js'
import { type FieldRules, multerS3Options, storedByMulterS3 } from '../../src/multer/index.js'
import { type SlowPart, type SlowRequest, sendSlowly } from '../../src/testing/index.js'
import { listen } from '../integration/http.js'
import {
  clientOf,
  createBucket,
  describeWithS3,
  listAllKeys,
  listOpenUploads,
  s3Client,
  s3Connection,
} from '../support/s3.js'
import { PDF, PNG, padded } from '../upload/sample-files.js'
import { failOnUnhandled, RecordingLedger, SECRET } from '../upload/support.js'
import { behindProxy } from './s3-uploads.js'
import { file, type Refusal } from './upload-app.js'

failOnUnhandled()

const MIB = 1024 ** 2

interface Setup {
  rules?: FieldRules[string] | FieldRules
  limits?: Options['limits']
  storage?: Partial<StorageOptions>
  /** Where multer-s3 writes to, if not to the bucket of the storage. */
  bucket?: string
}

/** An application on the real multer-s3, with the options of ours. */
async function appWith({ rules = { folder: 'orders' }, limits, ...setup }: Setup = {}) {
  const bucket = await createBucket('stays')
  const proxy = await behindProxy()
  const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
  const credentials = { accessKeyId, secretAccessKey }
  const driver = new S3Driver({ bucket, endpoint, region, credentials })
  const storage = createStorage({ secret: SECRET, backends: { s3: driver }, ...setup.storage })
  onTestFinished(() => storage.close())
  const ledger = new RecordingLedger().openFor(storage)
  const engine = multerS3({
    s3: clientOf({ ...s3Connection(), endpoint: proxy.endpoint }),
    bucket: setup.bucket ?? bucket,
    ...multerS3Options(storage, rules),
  })
  const app = express()
  const errors: unknown[] = []
  app.use(tenant({ resolve: fromHeader('x-tenant'), verify: () => true }))
  app.post('/', multer({ storage: engine, ...(limits && { limits }) }).any(), async (req, res) => {
    const files = req.files as Express.Multer.File[]
    const stored = await Promise.all(files.map(each => storedByMulterS3(req, each)))
    res.json({ files, stored: stored.map(each => ({ ...each })), urls: stored.map(each => each.url) })
  })
  app.use((error: unknown, _req: express.Request, _res: express.Response, next: express.NextFunction) => {
    errors.push(error)
    next(error)
  })
  app.use(answerErrors())
  const { url } = await listen(app)
  const send = (parts: SlowPart[], more: Partial<SlowRequest> = {}) =>
    sendSlowly({ url, parts, headers: { 'x-tenant': 'acme' }, chunkSize: 256 * 1024, delay: 1, ...more })
  return { send, bucket, errors, proxy, storage, ledger }
}

interface Answer {
  files: (Express.Multer.File & { acl?: string })[]
  stored: { key: string; size: number; type: string; sha256: string; tenant: string; name: string }[]
  urls: string[]
}

describeWithS3('an application that stays on multer-s3, with multerS3Options', () => {
  it('stores under the tenant, typed by the bytes, also when the body is late', async () => {
    const app = await appWith()
    const parts = [file('a', 'Prüfung.pdf', PDF), file('b', 'x.png', PNG)]
    const response = await app.send(parts, { chunkSize: 40, delay: 2 })
    const { files, stored, urls } = response.json<Answer>()
    expect(response.status).toBe(200)
    expect(files.map(each => each.key).sort()).toEqual((await listAllKeys(app.bucket)).sort())
    expect(files[0]?.key).toMatch(/^media\/acme\/orders\/[0-9a-f-]{36}\.pdf$/)
    expect(stored).toMatchObject([
      { name: 'Prüfung.pdf', type: 'application/pdf', size: PDF.length, tenant: 'acme' },
      { name: 'x.png', type: 'image/png', size: PNG.length },
    ])
    const head = await s3Client().send(new HeadObjectCommand({ Bucket: app.bucket, Key: files[0]?.key }))
    expect([head.ContentType, head.ContentDisposition]).toEqual([
      'application/pdf',
      expect.stringMatching(/^inline; filename="Prufung.pdf"/),
    ])
    const downloaded = await fetch(urls[0] ?? '')
    expect(Buffer.from(await downloaded.arrayBuffer()).equals(PDF)).toBe(true)
  })

  it('keeps 20 uploads of five tenants apart', async () => {
    const app = await appWith()
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_each, index) => {
        const id = `t${index % 5}`
        const parts = [file('a', `${index}.pdf`, padded(PDF, 1_000 + index))]
        const response = await app.send(parts, { headers: { 'x-tenant': id }, chunkSize: 300, delay: 2 })
        return { id, key: response.json<Answer>().files[0]?.key }
      }),
    )
    for (const { id, key } of answers) expect(key).toMatch(new RegExp(`^media/${id}/orders/`))
    expect(answers.map(({ key }) => key).sort()).toEqual((await listAllKeys(app.bucket)).sort())
  })

  it('knows the size and the digest of a large file, which multer-s3 does not', async () => {
    const app = await appWith()
    const size = 7 * MIB + 3
    const response = await app.send([file('a', 'a.pdf', padded(PDF, size))])
    expect([response.status, app.errors]).toEqual([200, []])
    const { files, stored } = response.json<Answer>()
    expect([files[0]?.size, stored[0]?.size, stored[0]?.sha256]).toEqual([
      0,
      size,
      expect.stringMatching(/^[0-9a-f]{64}$/),
    ])
    expect(app.ledger.lines).toEqual(['stage', `confirm ${size}`])
  })

  test.each([
    ['an empty file', { folder: 'orders' }, [file('a', 'a.pdf', '')], 400, 'ERR_FILE_EMPTY'],
    [
      'a wrong type',
      { folder: 'orders', accept: ['image/*'] },
      [file('a', 'a.png', PDF)],
      415,
      'ERR_FILE_TYPE',
    ],
    [
      'a field that is not listed',
      { b: { folder: 'orders' } },
      [file('a', 'a.pdf', PDF)],
      400,
      'ERR_FIELD_UNEXPECTED',
    ],
    [
      'a file over the limit',
      { folder: 'orders', maxSize: 1_000 },
      [file('a', 'a.pdf', padded(PDF, 1_001))],
      413,
      'ERR_FILE_TOO_LARGE',
    ],
    [
      'a file far over the limit',
      { folder: 'orders', maxSize: '6mb' },
      [file('a', 'a.pdf', padded(PDF, 13 * MIB))],
      413,
      'ERR_FILE_TOO_LARGE',
    ],
  ] as const)('answers %s, and leaves nothing', async (_what, rules, parts, status, code) => {
    const app = await appWith({ rules })
    const response = await app.send([...parts])
    expect([response.status, response.json<Refusal>().error.code]).toEqual([status, code])
    expect([await listAllKeys(app.bucket), await listOpenUploads(app.bucket)]).toEqual([[], []])
  })

  it("stores nothing of a file over Multer's limit", async () => {
    const app = await appWith({ limits: { fileSize: 100_000 } })
    const response = await app.send([file('a', 'a.pdf', padded(PDF, 300_000))])
    expect([response.status, response.json<Refusal>().error.code]).toEqual([413, 'LIMIT_FILE_SIZE'])
    expect(app.proxy.seen).toEqual([])
  })

  test.each([0, 300, 70_000, 12 * MIB])(
    'leaves nothing of a client that leaves after %i bytes',
    async abortAfter => {
      const app = await appWith()
      await app.send([file('a', 'a.pdf', padded(PDF, 20 * MIB))], { abortAfter }).catch(() => {})
      await vi.waitFor(() => expect(app.errors).toHaveLength(1), 5_000)
      await vi.waitFor(async () => expect(await listOpenUploads(app.bucket)).toEqual([]), 5_000)
      expect(await listAllKeys(app.bucket)).toEqual([])
    },
  )

  it('sends no ACL, which multer-s3 does by itself', async () => {
    const app = await appWith()
    const acls: unknown[] = []
    app.proxy.fault = (req, _res, pass) => {
      acls.push(req.headers['x-amz-acl'])
      return pass()
    }
    await app.send([file('a', 'a.pdf', PDF)])
    expect(acls).toEqual([undefined])
  })

  it('is told when multer-s3 writes to another bucket, and the ledger keeps no line of it', async () => {
    const app = await appWith({ bucket: await createBucket('elsewhere') })
    const response = await app.send([file('a', 'a.pdf', PDF)])
    expect([response.status, response.json<Refusal>().error.code]).toEqual([404, 'ERR_FILE_NOT_FOUND'])
    expect(app.ledger.lines).toEqual(['stage', 'abandon'])
  })

  it('without a tenant() is refused', async () => {
    const app = await appWith()
    const response = await app.send([file('a', 'a.pdf', PDF)], { headers: {} })
    expect([response.status, await listAllKeys(app.bucket)]).toEqual([400, []])
  })
})

describe('storedByMulterS3', () => {
  it('takes no file that came another way, whatever it says of itself', async () => {
    const forged = { key: 'media/globex/orders/x.pdf', size: 1 } as Express.Multer.File
    await expect(storedByMulterS3({} as express.Request, forged)).rejects.toMatchObject({
      code: 'ERR_FILE_FORGED',
    })
  })
})
