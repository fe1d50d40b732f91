import type { Driver } from '../../src/core/driver.js'
import { AzureDriver } from '../../src/drivers/azure/index.js'
import { LocalDriver } from '../../src/drivers/local/index.js'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { azureConnection, createContainer } from '../support/azure.js'
import { createBucket, s3Connection } from '../support/s3.js'
import { tempDir } from '../support/temp-dir.js'

/** The smallest parts that S3 takes: a file of 6 MiB has two. */
const PART = 5 * 1024 * 1024

/** A new bucket on the S3 server of the run. */
export async function newBucket(): Promise<S3Driver> {
  const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
  const credentials = { accessKeyId, secretAccessKey }
  const bucket = await createBucket('moves')
  return new S3Driver({ bucket, endpoint, region, credentials, partSize: PART, copyPartSize: PART })
}

/** A new container on the azurite of the run. */
export async function newContainer(): Promise<Driver> {
  const { containerName } = await createContainer('moves')
  return new AzureDriver({ container: containerName, ...azureConnection(), blockSize: PART })
}

/** A new folder of this machine. */
export async function newFolder(): Promise<LocalDriver> {
  return new LocalDriver({ root: await tempDir() })
}
