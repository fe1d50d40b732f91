import { expect, it } from 'vitest'
import { migrateFiles, rollbackFiles } from '../../src/migrate/index.js'
import { describeWithPostgres } from '../support/postgres.js'
import { describeWithS3, listAllKeys } from '../support/s3.js'
import { linesOf, Parcel, readText, textsOf } from './town.js'
import { movingTown, Traffic } from './traffic.js'

describeWithPostgres('a move from the local disk to S3', () => {
  describeWithS3('while the application serves', () => {
    it('loses no read, no save and no file', async () => {
      const { storage, dataSource, parcels, address } = await movingTown(120, 4)
      const traffic = await Traffic.on(storage, dataSource)
      const run = () => migrateFiles({ dataSource, entity: Parcel, to: 's3', rate: 5000, concurrency: 8 })
      const first = await run()
      await traffic.stop()
      // What was replaced or removed meanwhile was skipped, and is no failure.
      expect(first).toMatchObject({ failed: 0, aborted: false })
      expect(await run()).toMatchObject({ failed: 0, skipped: 0 })
      expect(traffic.reads).toBeGreaterThan(50)
      expect(Math.min(traffic.saves, traffic.replaced, traffic.removed)).toBeGreaterThan(3)
      const left = await parcels.find()
      expect(left).toHaveLength(120 - traffic.removed)
      expect(new Set(left.map(({ file }) => file?.backend))).toEqual(new Set(['s3']))
      for (const { file, owner } of left) expect(await readText(file)).toMatch(new RegExp(`^${owner} `))
      expect(await linesOf(dataSource)).toMatchObject({ 's3 attached': left.length })
      expect((await listAllKeys(address.s3.bucket)).length).toBeGreaterThanOrEqual(left.length)
    })

    it('can be taken back, to the letter', async () => {
      const { dataSource } = await movingTown(20, 4)
      const before = await textsOf(dataSource)
      await migrateFiles({ dataSource, entity: Parcel, to: 's3', verify: 'read-back' })
      expect(await rollbackFiles({ dataSource, entity: Parcel, to: 's3' })).toMatchObject({ restored: 20 })
      expect(await textsOf(dataSource)).toEqual(before)
    })
  })
})
