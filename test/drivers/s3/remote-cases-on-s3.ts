import { randomUUID } from 'node:crypto'
import { beforeAll, it } from 'vitest'
import { S3Driver, type S3DriverOptions } from '../../../src/drivers/s3/index.js'
import { remoteDriverCases } from '../../../src/testing/index.js'
import { createBucket, s3Connection } from '../../support/s3.js'

/** Runs every case of a failing backend against drivers on one fresh bucket. */
export function runRemoteCases(
  makeDriver: (options: S3DriverOptions) => S3Driver = options => new S3Driver(options),
): void {
  let bucket: string
  beforeAll(async () => {
    bucket = await createBucket('remote')
  })
  it.each(remoteDriverCases)('$name', async ({ run }) => {
    const { endpoint: target, region, accessKeyId, secretAccessKey } = s3Connection()
    const credentials = { accessKeyId, secretAccessKey }
    await run({
      target,
      prefix: `${randomUUID()}/`,
      through: (endpoint, limits) =>
        makeDriver({ bucket, endpoint, region, credentials, partSize: 5 * 1024 * 1024, ...limits }),
    })
  })
}
