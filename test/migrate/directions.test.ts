import { expect, it } from 'vitest'
import { describeWithPostgres } from '../support/postgres.js'
import { describeWithS3 } from '../support/s3.js'
import { moveAlong } from './directions.js'
import { newBucket } from './places.js'

describeWithPostgres('files, with those of one tenant first, move', () => {
  describeWithS3('with S3,', () => {
    it('from one bucket to another, which copies the large ones by itself', async () => {
      expect(await moveAlong(await newBucket(), await newBucket())).toBe(4)
    })
  })
})
