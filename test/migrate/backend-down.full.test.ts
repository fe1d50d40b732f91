import { afterEach, expect, it } from 'vitest'
import type { Driver } from '../../src/core/driver.js'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { migrateFiles } from '../../src/migrate/index.js'
import { type FaultyProxy, startFaultyProxy, swallow } from '../support/faulty-proxy.js'
import { describeWithPostgres, freshDatabase } from '../support/postgres.js'
import { createBucket, describeWithS3, listAllKeys, s3Connection } from '../support/s3.js'
import { keyOf } from './earlier-runner.js'
import { newFolder } from './places.js'
import { fill, linesOf, Parcel, readText, textsOf, town } from './town.js'

/** More rows than fail one after the other before it is the backend, and not they. */
const ROWS = 70

describeWithPostgres('a move', () => {
  describeWithS3('to a backend that is down', () => {
    let proxy: FaultyProxy | undefined
    afterEach(() => proxy?.close())

    /** Rows whose files lie on the local disk, and a bucket behind a proxy that can misbehave. */
    async function townBehindProxy(limits: Partial<ConstructorParameters<typeof S3Driver>[0]> = {}) {
      const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
      proxy = await startFaultyProxy(endpoint)
      const bucket = await createBucket('down')
      const target: Driver = new S3Driver({
        ...{ bucket, endpoint: proxy.endpoint, region, credentials: { accessKeyId, secretAccessKey } },
        ...{ maxAttempts: 1, ...limits },
      })
      const fresh = async () => ({ type: 'postgres', url: (await freshDatabase()).url }) as const
      const home = await town(fresh, 0, { old: await newFolder(), new: target })
      await fill(home.storage, home.dataSource, ROWS)
      const move = () =>
        migrateFiles({ dataSource: home.dataSource, entity: Parcel, to: 'new', concurrency: 8 })
      return { ...home, proxy, bucket, move }
    }

    it.each([
      ['answers 500', 'ERR_BACKEND', 500],
      ['asks to slow down', 'ERR_BACKEND', 503],
      ['denies everything', 'ERR_BACKEND_DENIED', 403],
    ])('stops early where it %s, changes nothing, and goes on when it is well', async (_, code, status) => {
      const { proxy, bucket, move, dataSource, parcels } = await townBehindProxy()
      const before = await textsOf(dataSource)
      proxy.fault = (req, res) => {
        swallow(req)
        res.writeHead(status).end()
      }
      const report = await move()
      expect(report).toMatchObject({ moved: 0, aborted: true, stoppedBy: code })
      expect(report.failed).toBeGreaterThanOrEqual(50)
      expect(report.failed).toBeLessThan(60)
      expect(await textsOf(dataSource)).toEqual(before)
      expect(await linesOf(dataSource)).toMatchObject({ 'old attached': ROWS })
      proxy.fault = undefined
      expect(await listAllKeys(bucket)).toEqual([])
      // Those that were not tried have let go of their rows, so nobody waits for a lease.
      expect(await move()).toMatchObject({ moved: ROWS, failed: 0, aborted: false })
      for (const { file } of await parcels.find()) expect(await readText(file)).toMatch(/^parcel/)
      expect(await linesOf(dataSource)).toEqual({ 'new attached': ROWS, 'old kept': ROWS })
    })

    it('stops early where nobody answers, as soon as its time-outs are over', async () => {
      const { proxy, move, dataSource } = await townBehindProxy({ requestTimeout: 100 })
      const before = await textsOf(dataSource)
      proxy.fault = swallow
      const start = Date.now()
      expect(await move()).toMatchObject({ moved: 0, aborted: true, stoppedBy: 'ERR_BACKEND_TIMEOUT' })
      expect(Date.now() - start).toBeLessThan(60_000)
      expect(await textsOf(dataSource)).toEqual(before)
      proxy.fault = undefined
      expect(await move()).toMatchObject({ moved: ROWS, failed: 0 })
    }, 120_000)

    it('goes on where every third request fails, and moves the rest the next time', async () => {
      const { proxy, move, dataSource } = await townBehindProxy()
      let requests = 0
      proxy.fault = async (req, res, pass) => {
        if (++requests % 3 !== 0) return pass()
        swallow(req)
        res.writeHead(500).end()
      }
      const first = await move()
      expect(first).toMatchObject({ aborted: false, skipped: 0 })
      expect(first.failed).toBeGreaterThan(5)
      expect(first.moved + first.failed).toBe(ROWS)
      proxy.fault = undefined
      expect(await move()).toMatchObject({ moved: first.failed, failed: 0 })
      expect(await linesOf(dataSource)).toEqual({ 'new attached': ROWS, 'old kept': ROWS })
    })
  })

  it('reports a row that somebody holds locked all the time, moves the others, and that one later', async () => {
    const fresh = async () => ({ type: 'postgres', url: (await freshDatabase()).url }) as const
    const { dataSource, backends } = await town(fresh, 5)
    const [, text] = await textsOf(dataSource)
    // Somebody else has copied that one already.
    await backends.new.put(keyOf(text), Buffer.from('parcel 1'), { contentType: 'text/plain' })
    const runner = dataSource.createQueryRunner()
    await runner.startTransaction()
    await runner.query('SELECT * FROM parcel WHERE id = 2 FOR UPDATE')
    const move = () => migrateFiles({ dataSource, entity: Parcel, to: 'new' })
    const report = await move()
    expect(report).toMatchObject({ moved: 4, failed: 1, failures: [{ row: '["2"]', code: 'ERR_BUSY' }] })
    await runner.rollbackTransaction()
    await runner.release()
    expect((await textsOf(dataSource))[1]).toBe(text)
    expect(await linesOf(dataSource)).toEqual({ 'new attached': 4, 'old attached': 1, 'old kept': 4 })
    expect(await move()).toMatchObject({ moved: 1, failed: 0 })
    expect(await linesOf(dataSource)).toEqual({ 'new attached': 5, 'old kept': 5 })
  }, 60_000)
})
