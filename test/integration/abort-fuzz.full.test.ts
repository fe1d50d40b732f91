import { createHash, randomInt } from 'node:crypto'
import { readdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import multer, { type StorageEngine } from 'multer'
import multerS3 from 'multer-s3'
import type { DataSource } from 'typeorm'
import { expect, it, onTestFinished } from 'vitest'
import { createStorage, type Driver } from '../../src/core/index.js'
import { LocalDriver } from '../../src/drivers/local/index.js'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { answerErrors, fromHeader, tenant } from '../../src/express/index.js'
import { tenantStorage } from '../../src/multer/index.js'
import { reapOnce } from '../../src/typeorm/index.js'
import { describeWithPostgres, freshDatabase } from '../support/postgres.js'
import { clientOf, createBucket, describeWithS3, listOpenUploads, s3Connection } from '../support/s3.js'
import { tempDir } from '../support/temp-dir.js'
import { house, ledgerOf } from '../typeorm/databases.js'
import { ORDER_RULES, Order } from '../typeorm/entities.js'
import { failOnUnhandled } from '../upload/support.js'
import { forEachAtOnce, send } from './abort-fuzz/client.js'
import { listenersOf, openSockets, openTimers, socketsTo } from './abort-fuzz/leaks.js'
import { type PlannedUpload, planUploads } from './abort-fuzz/plan.js'
import { listen } from './http.js'

failOnUnhandled()

/** ABORT_FUZZ_SEED repeats the uploads of a run; the times at which they meet are never the same. */
const SEED = Number(process.env.ABORT_FUZZ_SEED ?? randomInt(2 ** 31))
const COUNTS = { cut: 1_000, whole: 250 }
const AT_ONCE = 32
/** Seconds. */
const LEASE = 5
const RULES = { ...ORDER_RULES, maxSize: '50mb' }
const MIB = 1024 * 1024

/** Asks again until nothing is wrong any more; then, or after a while, that must be so. */
async function expectEventually(wrongs: () => unknown[] | Promise<unknown[]>, seconds = 30): Promise<void> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(100))
    if ((await wrongs()).length === 0) return
  expect(await wrongs()).toEqual([])
}

async function digestOf(driver: Driver, key: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of (await driver.get(key)).body) hash.update(chunk)
  return hash.digest('hex')
}

async function keysOf(driver: Driver): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of driver.list('')) keys.push(key)
  return keys.sort()
}

/** What of this process must be as it was when all is over. */
function watchProcess() {
  const warnings: Error[] = []
  const note = (warning: Error) => void warnings.push(warning)
  process.on('warning', note)
  onTestFinished(() => void process.off('warning', note))
  const before = { timers: openTimers(), listeners: listenersOf(process), sockets: new Set(openSockets()) }
  return async () => {
    // Listeners that pile up on a connection that is used again and again show as a warning.
    expect(warnings).toEqual([])
    expect(listenersOf(process)).toBe(before.listeners)
    await expectEventually(() => openSockets().filter(socket => !before.sockets.has(socket)))
    await expectEventually(() => Array.from({ length: Math.max(0, openTimers() - before.timers) }))
  }
}

/** An application that saves each upload in a row whose title is the file's name. */
async function applicationOn(driver: Driver, url: string) {
  const storage = createStorage({ secret: 'a secret that is long enough', backends: { main: driver } })
  const { dataSource } = await house(async () => ({ type: 'postgres', url }), [Order], {
    storage,
    lease: LEASE,
  })
  const orders = dataSource.getRepository(Order)
  const { port, server } = await serve(tenantStorage(storage, RULES), async ({ originalname, stored }) => {
    await orders.save({ title: originalname, file: stored })
  })
  const close = async () => {
    server.close()
    await dataSource.destroy()
    await storage.close()
  }
  return { storage, dataSource, orders, port, server, close }
}

async function serve(engine: StorageEngine, save: (file: Express.Multer.File) => Promise<void>) {
  const app = express()
  app.use(tenant({ resolve: fromHeader('x-tenant'), verify: () => true }))
  app.post('/', multer({ storage: engine }).single('file'), async (req, res) => {
    await save(req.file!)
    res.json('saved')
  })
  app.use(answerErrors())
  app.use((_error: unknown, _req: express.Request, res: express.Response, _next: express.NextFunction) => {
    res.status(500).json('failed')
  })
  const { server } = await listen(app)
  return { server, port: (server.address() as AddressInfo).port }
}

/** Sends all of them. Every upload that is not cut must be saved. */
async function sendAll(plan: readonly PlannedUpload[], port: number): Promise<void> {
  const wrongs: string[] = []
  await forEachAtOnce(plan, AT_ONCE, async upload => {
    const answer = await send(upload, port)
    if (upload.cut === undefined && answer?.status !== 200)
      wrongs.push(`${upload.name}: ${JSON.stringify(answer)}`)
  })
  expect(wrongs).toEqual([])
}

/** Rows are those of whole uploads, and of cut ones whose last byte was sent before the client left. */
async function expectTrueRows(
  { dataSource, orders }: Awaited<ReturnType<typeof applicationOn>>,
  driver: Driver,
  plan: readonly PlannedUpload[],
): Promise<string[]> {
  const sent = new Map(plan.map(upload => [upload.name, upload]))
  const rows = await orders.find()
  const titles = rows.map(({ title }) => title)
  const whole = plan.filter(({ cut }) => cut === undefined).map(({ name }) => name)
  expect(titles).toEqual(expect.arrayContaining(whole))
  expect(new Set(titles).size).toBe(titles.length)
  const keys: string[] = []
  for (const { title, file } of rows) {
    const { request, cut, sha256, tenant: owner } = sent.get(title ?? '')!
    const length = request.reduce((sum, part) => sum + part.length, 0)
    expect(cut === undefined || cut.bytes === length).toBe(true)
    expect([file?.tenant, file?.sha256]).toEqual([owner, sha256])
    const key = `media/${owner}/${file?.key}`
    expect(await digestOf(driver, key)).toBe(sha256)
    keys.push(key)
  }
  const attached = (await ledgerOf(dataSource)).filter(({ state }) => state === 'attached')
  expect(attached.map(({ object_key }) => object_key).sort()).toEqual(keys.sort())
  return keys
}

/** Pending lines whose lease is not over: of uploads that still run, or that somebody forgot to end. */
async function leased(dataSource: DataSource): Promise<unknown[]> {
  const now = Date.now()
  return (await ledgerOf(dataSource)).filter(
    ({ state, expires_at }) => state === 'pending' && Number(expires_at) > now,
  )
}

async function fuzz(driver: Driver, expectNoRemains: () => Promise<void>): Promise<void> {
  console.info(`ABORT_FUZZ_SEED=${SEED}`)
  const plan = planUploads(SEED, COUNTS)
  // Before the look at the process: the connection that makes databases stays open for the whole file.
  const { url } = await freshDatabase()
  const expectProcessAsBefore = watchProcess()
  const app = await applicationOn(driver, url)
  const listeners = listenersOf(app.server)
  await sendAll(plan, app.port)
  await expectEventually(() => socketsTo(app.port))
  expect(listenersOf(app.server)).toBe(listeners)
  await expectEventually(() => leased(app.dataSource))
  const late = (await ledgerOf(app.dataSource)).filter(({ state }) => state === 'pending')
  await reapOnce(app.storage)
  const keys = await expectTrueRows(app, driver, plan)
  expect(await keysOf(driver)).toEqual(keys)
  expect((await ledgerOf(app.dataSource)).filter(({ state }) => state === 'pending')).toEqual([])
  await expectNoRemains()
  console.info(
    `${COUNTS.whole} uploads saved, and ${keys.length - COUNTS.whole} of those cut; the reaper took ${late.length} lines`,
  )
  await app.close()
  await expectProcessAsBefore()
}

describeWithPostgres('1,000 uploads that are cut anywhere at any time, beside 250 that are not', () => {
  it('leave nothing on the local disk, and the others are whole', async () => {
    const root = tempDir()
    await fuzz(new LocalDriver({ root }), async () =>
      expect(readdirSync(path.join(root, '.tenant-files', 'tmp'))).toEqual([]),
    )
  }, 600_000)

  describeWithS3('on a real S3 server', () => {
    it('leave nothing in the bucket, and the others are whole', async () => {
      const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
      const client = clientOf(s3Connection())
      const bucket = await createBucket('abort', client)
      client.destroy()
      const credentials = { accessKeyId, secretAccessKey }
      const driver = new S3Driver({ bucket, endpoint, region, credentials, partSize: 5 * MIB })
      await fuzz(driver, async () => {
        const inspector = clientOf(s3Connection())
        expect(await listOpenUploads(bucket, inspector)).toEqual([])
        inspector.destroy()
      })
    }, 600_000)
  })
})

// That the fuzz sees what it looks for: an engine in use today leaves uploads that are never ended.
describeWithS3('the same with multer-s3', () => {
  it('leaves multipart uploads open', async () => {
    const client = clientOf(s3Connection())
    const bucket = await createBucket('abort', client)
    const engine = multerS3({ s3: client, bucket, contentType: multerS3.AUTO_CONTENT_TYPE })
    const { port } = await serve(engine, async () => {})
    await sendAll(planUploads(SEED, { cut: 200, whole: 20 }), port)
    await expectEventually(() => socketsTo(port))
    const open = await listOpenUploads(bucket, client)
    client.destroy()
    console.info(`multer-s3 left ${open.length} open uploads`)
    expect(open.length).toBeGreaterThan(0)
  }, 120_000)
})
