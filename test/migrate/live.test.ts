import { expect, it, vi } from 'vitest'
import { migrateFiles, rollbackFiles } from '../../src/migrate/index.js'
import { describeWithPostgres } from '../support/postgres.js'
import { describeWithS3, listAllKeys } from '../support/s3.js'
import { Delivery } from './delivery.js'
import { movingTown } from './moving-town.js'
import { linesOf, textsOf } from './town.js'
import { Traffic } from './traffic.js'

describeWithPostgres('a move from the local disk to S3', () => {
  describeWithS3('while the application serves', () => {
    it('loses no read, no save and no file', async () => {
      const town = await movingTown(120, 4)
      const { dataSource, deliveries, address } = town
      const traffic = await Traffic.on(town, { pause: 2 })
      const run = () => migrateFiles({ dataSource, entity: Delivery, to: 's3', rate: '1mb', concurrency: 8 })
      const first = await run()
      await vi.waitFor(() => expect(traffic.savedBehind.size).toBeGreaterThan(3), 10_000)
      await traffic.stop()
      // What was replaced or removed meanwhile was skipped, and is no failure.
      expect(first).toMatchObject({ failed: 0, aborted: false })
      expect(await run()).toMatchObject({ failed: 0, skipped: 0 })
      const { visitor, saved, savedBehind, replaced, removed, uploaded } = traffic
      for (const changed of [saved, savedBehind, replaced, removed, uploaded])
        expect(changed.size).toBeGreaterThan(3)
      expect(visitor.reads).toBeGreaterThan(100)
      await visitor.readAll()
      expect(visitor.failures).toEqual([])
      const left = await deliveries.find()
      expect(new Map(left.map(({ id, file }) => [id, file?.name]))).toEqual(visitor.names)
      expect(new Set(left.map(({ file }) => file?.backend))).toEqual(new Set(['s3']))
      expect(await linesOf(dataSource)).toMatchObject({ 's3 attached': left.length })
      expect((await listAllKeys(address.s3.bucket)).length).toBeGreaterThanOrEqual(left.length)
    })

    it('can be taken back, to the letter', async () => {
      const { dataSource } = await movingTown(20, 4)
      const before = await textsOf(dataSource, 'delivery')
      await migrateFiles({ dataSource, entity: Delivery, to: 's3', verify: 'read-back' })
      expect(await rollbackFiles({ dataSource, entity: Delivery, to: 's3' })).toMatchObject({ restored: 20 })
      expect(await textsOf(dataSource, 'delivery')).toEqual(before)
    })
  })
})
