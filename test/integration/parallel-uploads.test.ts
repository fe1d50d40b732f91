import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { Agent } from 'node:http'
import { createNamespace, destroyNamespace, type Namespace } from 'cls-hooked'
import express from 'express'
import express4 from 'express-4'
import multer from 'multer'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createStorage, type Driver, getTenant, runWithTenant } from '../../src/core/index.js'
import { LocalDriver } from '../../src/drivers/local/index.js'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { answerErrors, fromClsHooked, fromHeader, tenant } from '../../src/express/index.js'
import { tenantStorage } from '../../src/multer/index.js'
import { sendSlowly } from '../../src/testing/index.js'
import { createBucket, describeWithS3, listAllKeys, listOpenUploads, s3Connection } from '../support/s3.js'
import { tempDir } from '../support/temp-dir.js'
import { failOnUnhandled } from '../upload/support.js'
import { listen } from './http.js'

failOnUnhandled()

const TENANTS = Array.from({ length: 10 }, (_each, index) => (index === 0 ? 't1' : `t1${index - 1}`))
const UPLOADS = 200

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

interface Uploaded {
  tenant: string
  key: string
  sha256: string
  name: string
}

interface Site {
  framework: typeof express
  /** Where the tenant comes from. */
  context: 'AsyncLocalStorage' | 'cls-hooked'
  uploads: number
}

const HERE: Site = { framework: express, context: 'AsyncLocalStorage', uploads: UPLOADS }

function namespaceOfThisTest(): Namespace {
  const name = randomUUID()
  onTestFinished(() => destroyNamespace(name))
  return createNamespace(name)
}

/** The tenant by a header; or, as in older applications, in a namespace of cls-hooked that an earlier layer fills. */
function mountTenant(app: express.Express, context: Site['context']): void {
  if (context === 'AsyncLocalStorage') {
    app.use(tenant({ resolve: fromHeader('x-tenant'), verify: () => true }))
    return
  }
  const namespace = namespaceOfThisTest()
  app.use((req, _res, next) =>
    namespace.run(() => {
      namespace.set('tenant', req.get('x-tenant'))
      next()
    }),
  )
  app.use(tenant({ resolve: fromClsHooked(namespace, 'tenant') }))
}

/** Many uploads from 10 tenants at the same time, in delayed chunks, over connections that stay open. */
async function uploadAll(driver: Driver, { framework, context, uploads }: Site) {
  const storage = createStorage({ secret: 'a secret that is long enough', backends: { main: driver } })
  await storage.ready()
  onTestFinished(() => storage.close())
  const app = framework()
  mountTenant(app, context)
  const upload = multer({ storage: tenantStorage(storage, { folder: 'files' }) })
  app.post('/', upload.single('file'), async (req, res) => {
    await new Promise(resolve => setImmediate(resolve))
    const { key, sha256, name, tenant: owner } = req.file!.stored
    res.json({ tenant: getTenant(), key, sha256, name, owner })
  })
  app.use(answerErrors())
  const { url, server } = await listen(app)
  let connections = 0
  server.on('connection', () => connections++)
  const agent = new Agent({ keepAlive: true, maxSockets: 25 })
  onTestFinished(() => agent.destroy())
  const sent = Array.from({ length: uploads }, (_each, index) => ({
    tenant: TENANTS[index % TENANTS.length] ?? '',
    name: `${index}.bin`,
    // Most fit into the head; every tenth does not, and goes to the backend as a stream.
    body: randomBytes(index % 20 < 10 ? 3_000 : 2_000 + (index % 20 === 19 ? 150_000 : 0)),
  }))
  const answers = await Promise.all(
    sent.map(async ({ tenant: id, name, body }) => {
      const response = await sendSlowly({
        url,
        agent,
        headers: { 'x-tenant': id },
        parts: [{ name: 'file', filename: name, body }],
        chunkSize: Math.ceil(body.length / 6),
        delay: 4,
      })
      expect([response.status, response.body.toString()]).toEqual([200, expect.any(String)])
      return response.json<Uploaded>()
    }),
  )
  expect(connections).toBeLessThanOrEqual(25)
  return { storage, sent, answers }
}

async function expectAllApart(driver: Driver, site = HERE): Promise<string[]> {
  const { storage, sent, answers } = await uploadAll(driver, site)
  expect(answers.map(({ tenant, name, sha256 }) => ({ tenant, name, sha256 }))).toEqual(
    sent.map(({ tenant, name, body }) => ({ tenant, name, sha256: digest(body) })),
  )
  const keys: string[] = []
  for (const id of TENANTS) {
    await runWithTenant(id, async () => {
      const own: string[] = []
      for await (const { key } of storage.disk('media').list()) own.push(key)
      expect(own.sort()).toEqual(
        answers
          .filter(answer => answer.tenant === id)
          .map(answer => answer.key)
          .sort(),
      )
      keys.push(...own.map(key => `media/${id}/${key}`))
    })
  }
  for (const [index, { tenant: id, body }] of sent.entries()) {
    const { body: stream } = await runWithTenant(id, () =>
      storage.disk('media').get(answers[index]?.key ?? ''),
    )
    expect(Buffer.concat(await stream.toArray()).equals(body)).toBe(true)
  }
  return keys.sort()
}

function s3DriverOf(bucket: string): S3Driver {
  const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
  return new S3Driver({ bucket, endpoint, region, credentials: { accessKeyId, secretAccessKey } })
}

async function allKeys(driver: Driver): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of driver.list('')) keys.push(key)
  return keys.sort()
}

describe('200 parallel uploads of 10 tenants, in delayed chunks over kept connections', () => {
  it('each lie under their own tenant on the local disk, and none elsewhere', async () => {
    const driver = new LocalDriver({ root: tempDir() })
    const keys = await expectAllApart(driver)
    expect(keys).toHaveLength(UPLOADS)
    expect(await allKeys(driver)).toEqual(keys)
  }, 60_000)

  describeWithS3('on a real S3 server', () => {
    it('each lie under their own tenant in the bucket, and none elsewhere', async () => {
      const bucket = await createBucket('parallel')
      const keys = await expectAllApart(s3DriverOf(bucket))
      expect(keys).toHaveLength(UPLOADS)
      expect((await listAllKeys(bucket)).sort()).toEqual(keys)
      expect(await listOpenUploads(bucket)).toEqual([])
    }, 120_000)
  })
})

const sites = [express, express4].flatMap((framework, index) =>
  (['AsyncLocalStorage', 'cls-hooked'] as const).map(
    context => [5 - index, context, { framework, context, uploads: 50 }] as const,
  ),
)

describe.each(sites)(
  '50 parallel uploads of 10 tenants under Express %i, with the tenant in %s',
  (_version, _context, site) => {
    it('each lie under their own tenant on the local disk, and none elsewhere', async () => {
      const driver = new LocalDriver({ root: tempDir() })
      const keys = await expectAllApart(driver, site)
      expect(keys).toHaveLength(50)
      expect(await allKeys(driver)).toEqual(keys)
    })

    describeWithS3('on a real S3 server', () => {
      it('each lie under their own tenant in the bucket, and none elsewhere', async () => {
        const bucket = await createBucket('parallel')
        const keys = await expectAllApart(s3DriverOf(bucket), site)
        expect(keys).toHaveLength(50)
        expect((await listAllKeys(bucket)).sort()).toEqual(keys)
        expect(await listOpenUploads(bucket)).toEqual([])
      })
    })
  },
)

it('a namespace of cls-hooked is lost inside of Multer when the body is late, so the tenant must not come from there', async () => {
  const namespace = namespaceOfThisTest()
  const seen: unknown[] = []
  const app = express()
  app.use((_req, _res, next) =>
    namespace.run(() => {
      namespace.set('tenant', 'acme')
      next()
    }),
  )
  const fileFilter: multer.Options['fileFilter'] = (_req, _file, done) => {
    seen.push(namespace.get('tenant'))
    done(null, true)
  }
  app.post('/', multer({ fileFilter }).any(), (_req, res) => void res.end())
  const { url } = await listen(app)
  const parts = [1, 2].map(each => ({ name: 'a', filename: `${each}.txt`, body: 'x'.repeat(500) }))
  await sendSlowly({ url, parts, chunkSize: 100, delay: 3 })
  expect(seen).toContain(undefined)
})
