import { S3Driver } from '../../../src/drivers/s3/index.js'
import { describeWithS3, s3Connection } from '../../support/s3.js'
import { runDriverCases } from './driver-cases-on-s3.js'

describeWithS3('the S3 driver keeps the promises of every driver', () => {
  runDriverCases(bucket => {
    const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
    const credentials = { accessKeyId, secretAccessKey }
    return new S3Driver({
      bucket,
      endpoint,
      region,
      credentials,
      partSize: 5 * 1024 * 1024,
      partsInFlight: 2,
    })
  })
})
