import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import type { Driver } from '../../src/core/driver.js'
import { onStorageEvent } from '../../src/core/events.js'
import { type MigrateOptions, migrateFiles, rollbackFiles } from '../../src/migrate/index.js'
import { ChaosDriver, type ChaosFault } from '../../src/testing/index.js'
import { rulesOf } from '../../src/typeorm/index.js'
import { describeWithPostgres, freshDatabase } from '../support/postgres.js'
import { describeWithS3 } from '../support/s3.js'
import { upload } from '../typeorm/databases.js'
import { counted } from './counted.js'
import { newBucket } from './places.js'
import { journalOf, linesOf, Parcel, readText, textsOf, town } from './town.js'

/** Just more than what is worth asking the storage for. */
const LARGE = 1024 * 1024 + 1
const HTML = '<!doctype html><p>'.padEnd(LARGE, 'x')

/** Rows whose files lie in one bucket, and another one. @param around stands before the new bucket */
async function twoBuckets(bodies: readonly string[], around = (driver: Driver) => driver) {
  const [one, two] = [await newBucket(), await newBucket()]
  const [from, to] = [counted(one), counted(around(two))]
  const fresh = async () => ({ type: 'postgres', url: (await freshDatabase()).url }) as const
  const { storage, dataSource, parcels } = await town(fresh, 0, { old: from.driver, new: to.driver })
  for (const body of bodies) {
    const file = await upload({ storage }, rulesOf(Parcel, 'file'), { body, name: 'page.html' })
    await parcels.save(parcels.create({ file, owner: 'acme' }))
  }
  for (const { calls } of [from, to]) calls.clear()
  const keys = (await textsOf(dataSource)).map(text => `media/acme/${JSON.parse(text).key}`)
  const move = (options: Partial<MigrateOptions<Parcel>> = {}) =>
    migrateFiles({ dataSource, entity: Parcel, to: 'new', ...options })
  const filesNow = async () => (await parcels.find({ order: { id: 'ASC' } })).map(({ file }) => file)
  return { from, to, one, two, dataSource, keys, move, filesNow }
}

const asked = ({ calls }: ReturnType<typeof counted>) =>
  Object.fromEntries(['get', 'put', 'copyFrom'].map(name => [name, calls.get(name) ?? 0]))

const every = (fault: ChaosFault) => (driver: Driver) =>
  new ChaosDriver(driver, { rules: [{ method: 'copyFrom', fault }] })

describeWithPostgres('migrateFiles between two buckets of one account', () => {
  describeWithS3('where the storage copies by itself', () => {
    it('reads each copy once and writes no bytes, so that its checksum is known', async () => {
      const { from, to, one, two, keys, move, filesNow, dataSource } = await twoBuckets([HTML, HTML])
      const report = await move()
      expect(report).toMatchObject({ moved: 2, failed: 0, bytes: 2 * LARGE })
      expect([asked(from), asked(to)]).toEqual([
        { get: 0, put: 0, copyFrom: 0 },
        { get: 2, put: 0, copyFrom: 2 },
      ])
      for (const key of keys) {
        const [before, after] = [await one.head(key), await two.head(key)]
        expect(after).toMatchObject({ contentType: 'text/html', size: LARGE })
        expect(after.contentDisposition).toMatch(/^attachment/)
        expect(after.contentDisposition).toBe(before.contentDisposition)
      }
      for (const file of await filesNow()) expect(await readText(file)).toBe(HTML)
      expect(await linesOf(dataSource)).toEqual({ 'new attached': 2, 'old kept': 2 })
      expect(await rollbackFiles({ dataSource, entity: Parcel, to: 'new' })).toMatchObject({ restored: 2 })
    })

    it('lets no bytes come at all where only their number is asked for', async () => {
      const { from, to, move, filesNow } = await twoBuckets([HTML])
      expect(await move({ verify: 'size' })).toMatchObject({ moved: 1, failed: 0 })
      expect([asked(from), asked(to)]).toEqual([
        { get: 0, put: 0, copyFrom: 0 },
        { get: 0, put: 0, copyFrom: 1 },
      ])
      const [file] = await filesNow()
      expect(file).toMatchObject({ backend: 'new', sha256: createHash('sha256').update(HTML).digest('hex') })
      expect(await readText(file)).toBe(HTML)
    })

    it('reads and writes small files, and those whose row knows no checksum', async () => {
      const { to, move, dataSource, filesNow } = await twoBuckets(['<p>small</p>', HTML])
      await dataSource.query(
        `UPDATE parcel SET file = regexp_replace(file, '"sha256":"[0-9a-f]*"', '"sha256":null') WHERE id = 2`,
      )
      expect(await move()).toMatchObject({ moved: 2, failed: 0 })
      expect(asked(to)).toEqual({ get: 0, put: 2, copyFrom: 0 })
      expect((await filesNow())[1]?.sha256).toBe(createHash('sha256').update(HTML).digest('hex'))
    })

    it.each(['sha256', 'read-back'] as const)(
      'moves no bytes that are others than the row tells of, with %s',
      async verify => {
        const { one, two, keys, move, dataSource } = await twoBuckets([HTML])
        const [key = ''] = keys
        await one.put(key, Buffer.from(HTML.replace('p', 'q')), { contentType: 'text/html' })
        const before = await textsOf(dataSource)
        expect(await move({ verify })).toMatchObject({ moved: 0, failures: [{ code: 'ERR_FILE_CHANGED' }] })
        await expect(two.head(key)).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' })
        expect(await textsOf(dataSource)).toEqual(before)
      },
    )

    it('reports a source that is shorter, and one that is missing', async () => {
      const { one, keys, move, dataSource } = await twoBuckets([HTML, HTML, HTML])
      const [short = '', missing = ''] = keys
      await one.put(short, Buffer.from(HTML.slice(1)), { contentType: 'text/html' })
      await one.delete(missing)
      const report = await move({ verify: 'size' })
      expect(report).toMatchObject({ moved: 1, failed: 2 })
      expect(report.failures.map(({ row, code }) => [row, code]).sort()).toEqual([
        ['["1"]', 'ERR_FILE_CHANGED'],
        ['["2"]', 'ERR_FILE_NOT_FOUND'],
      ])
      expect((await journalOf(dataSource)).map(([state]) => state).sort()).toEqual([
        'failed',
        'failed',
        'moved',
      ])
    })

    it('overwrites nothing at the new place, and takes what is the same', async () => {
      const { two, keys, move } = await twoBuckets([HTML, HTML])
      const [same = '', other = ''] = keys
      await two.put(same, Buffer.from(HTML), { contentType: 'text/html' })
      await two.put(other, Buffer.from('somebody else'), { contentType: 'text/plain' })
      const report = await move()
      expect(report).toMatchObject({ moved: 1, failures: [{ row: '["2"]', code: 'ERR_FILE_EXISTS' }] })
      expect((await two.head(other)).size).toBe('somebody else'.length)
    })

    it('reads and writes the bytes when it is refused, asks no more after three times, and says so', async () => {
      const refusing = every({ kind: 'error', code: 'ERR_BACKEND_DENIED' })
      const { to, move, filesNow } = await twoBuckets(Array(5).fill(HTML), refusing)
      const warnings: string[] = []
      const stop = onStorageEvent('warning', ({ code }) => void warnings.push(code))
      expect(await move({ concurrency: 1 })).toMatchObject({ moved: 5, failed: 0 })
      stop()
      expect(asked(to)).toEqual({ get: 0, put: 5, copyFrom: 3 })
      expect(warnings).toEqual(['MIGRATION_STREAMED'])
      for (const file of await filesNow()) expect(await readText(file)).toBe(HTML)
    })

    it('takes a copy for its own whose answer got lost', async () => {
      const { move, filesNow, dataSource } = await twoBuckets([HTML], every({ kind: 'lose' }))
      expect(await move()).toMatchObject({ moved: 1, failed: 0 })
      expect(await readText((await filesNow())[0])).toBe(HTML)
      expect(await linesOf(dataSource)).toEqual({ 'new attached': 1, 'old kept': 1 })
    })

    it('ends with its signal, and the next run goes on', async () => {
      const hanging = every({ kind: 'hang', ms: 60_000 })
      let isCalm = false
      const { move } = await twoBuckets([HTML], driver => {
        const chaos = hanging(driver) as ChaosDriver
        return new Proxy(chaos, {
          get: (target, name) => {
            if (isCalm) target.calm()
            const value: unknown = Reflect.get(target, name, target)
            return typeof value === 'function' ? value.bind(target) : value
          },
        })
      })
      expect(await move({ signal: AbortSignal.timeout(1500) })).toMatchObject({
        moved: 0,
        failed: 0,
        aborted: true,
      })
      isCalm = true
      expect(await move()).toMatchObject({ moved: 1, failed: 0 })
    })
  })
})
