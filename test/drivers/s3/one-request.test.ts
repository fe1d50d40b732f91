import { beforeAll, describe, expect, it } from 'vitest'
import { S3Driver } from '../../../src/drivers/s3/index.js'
import { MIB, readBytes, someBytes, streamOf } from '../../../src/testing/driver-cases-support.js'
import { createBucket, describeWithS3, s3Connection } from '../../support/s3.js'

const BINARY = { contentType: 'application/octet-stream' }

describeWithS3('a stream to S3', () => {
  let bucket: string
  beforeAll(async () => {
    bucket = await createBucket('one-request')
  })

  describe.each(['own', 'sdk'] as const)('by the transport "%s"', transport => {
    const bytes = someBytes(9 * MIB)
    let driver: S3Driver
    beforeAll(() => {
      const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
      const credentials = { accessKeyId, secretAccessKey }
      driver = new S3Driver({ bucket, endpoint, region, credentials, transport, partSize: 5 * MIB })
      return () => driver.close()
    })

    it.each([
      { atMost: 9 * MIB, uploads: 0 },
      { atMost: 10 * MIB, uploads: 0 },
      { atMost: 11 * MIB, uploads: 1 },
      { atMost: undefined, uploads: 1 },
    ])('of at most $atMost bytes begins $uploads multipart uploads', async ({ atMost, uploads }) => {
      const key = `${transport}-${atMost}.bin`
      let begun = 0
      const onMultipart = async () => {
        begun++
      }
      const stored = await driver.put(key, streamOf(bytes), { ...BINARY, atMost, onMultipart })
      expect([begun, stored.size]).toEqual([uploads, bytes.length])
      expect((await readBytes(driver, key)).equals(bytes)).toBe(true)
    })
  })
})
