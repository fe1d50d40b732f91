import { afterAll, beforeAll, expect, it } from 'vitest'
import { GcsDriver } from '../../src/drivers/gcs/index.js'
import { stubClient } from '../drivers/gcs/stub-client.js'
import { describeWithAzurite } from '../support/azure.js'
import { GcsStub } from '../support/gcs-stub.js'
import { describeWithPostgres } from '../support/postgres.js'
import { describeWithS3 } from '../support/s3.js'
import { moveAlong } from './directions.js'
import { newBucket, newContainer, newFolder } from './places.js'

describeWithPostgres('files, with those of one tenant first, move', () => {
  const stub = new GcsStub()
  beforeAll(() => stub.start())
  afterAll(() => stub.close())
  const newGcsBucket = () => new GcsDriver({ bucket: stub.createBucket(), client: stubClient(stub) })

  it('from one folder to another', async () => {
    expect(await moveAlong(await newFolder(), await newFolder())).toBe(0)
  })

  it('between two buckets of a GCS stub, which copies the large ones by itself', async () => {
    expect(await moveAlong(newGcsBucket(), newGcsBucket())).toBe(4)
  })

  describeWithS3('with S3,', () => {
    it('from the local disk', async () => {
      expect(await moveAlong(await newFolder(), await newBucket())).toBe(0)
    })

    it('back to the local disk', async () => {
      expect(await moveAlong(await newBucket(), await newFolder())).toBe(0)
    })

    it('to a GCS stub, which cannot copy from there', async () => {
      await moveAlong(await newBucket(), newGcsBucket())
    })

    describeWithAzurite('and Azure,', () => {
      it('from S3', async () => {
        await moveAlong(await newBucket(), await newContainer())
      })

      it('to S3', async () => {
        await moveAlong(await newContainer(), await newBucket())
      })
    })
  })

  describeWithAzurite('between two containers of Azure,', () => {
    it('which copies the large ones by itself', async () => {
      expect(await moveAlong(await newContainer(), await newContainer())).toBe(4)
    })
  })
})
