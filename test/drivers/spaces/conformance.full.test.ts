import { SpacesDriver } from '../../../src/drivers/spaces/index.js'
import { describeWithS3, s3Connection } from '../../support/s3.js'
import { runDriverCases } from '../s3/driver-cases-on-s3.js'

describeWithS3('the Spaces driver keeps the promises of every driver', () => {
  runDriverCases(bucket => {
    const { endpoint, accessKeyId, secretAccessKey } = s3Connection()
    const credentials = { accessKeyId, secretAccessKey }
    return new SpacesDriver({ bucket, endpoint, region: 'nyc3', credentials, partSize: 5 * 1024 * 1024 })
  })
})
