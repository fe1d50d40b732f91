import { expect, it } from 'vitest'
import { checkPhase, filePlaces, migrateFiles } from '../../src/migrate/index.js'
import { describeWithPostgres } from '../support/postgres.js'
import { describeWithS3 } from '../support/s3.js'
import { Delivery } from './delivery.js'
import { movingTown } from './moving-town.js'

describeWithPostgres('checkPhase', () => {
  describeWithS3('of a move to S3', () => {
    it('probes the bucket, and finds the move done when it is', async () => {
      const { dataSource } = await movingTown(4, 2)
      const before = await checkPhase({ dataSource, phase: 3, to: 's3' })
      expect(before.checks.filter(({ state }) => state === 'failed')).toEqual([])
      expect(await migrateFiles({ dataSource, entity: Delivery, to: 's3' })).toMatchObject({ moved: 4 })
      expect((await checkPhase({ dataSource, phase: 5, to: 's3', from: 'local' })).isSafe).toBe(true)
      const { places } = await filePlaces({ dataSource })
      expect(places.map(({ backend, rows }) => [backend, rows])).toEqual([
        ['s3', 2],
        ['s3', 2],
      ])
    })
  })
})
