import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { GcsDriver } from '../../../src/drivers/gcs/index.js'
import { remoteDriverCases } from '../../../src/testing/index.js'
import { GcsStub } from '../../support/gcs-stub.js'
import { stubClient } from './stub-client.js'

describe('the GCS driver on a GCS stub that fails', () => {
  const stub = new GcsStub()
  let bucket: string
  beforeAll(async () => {
    await stub.start()
    bucket = stub.createBucket()
  })
  afterAll(() => stub.close())
  it.each(remoteDriverCases)('$name', async ({ run }) => {
    await run({
      target: stub.endpoint,
      prefix: `${randomUUID()}/`,
      through: (endpoint, limits) =>
        new GcsDriver({ bucket, client: stubClient(stub, stub.owner, endpoint), ...limits }),
    })
  })
})
