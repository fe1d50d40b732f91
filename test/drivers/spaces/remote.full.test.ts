import { SpacesDriver } from '../../../src/drivers/spaces/index.js'
import { describeWithS3 } from '../../support/s3.js'
import { runRemoteCases } from '../s3/remote-cases-on-s3.js'

describeWithS3('the Spaces driver on a backend that fails', () =>
  runRemoteCases(options => new SpacesDriver({ ...options, region: 'nyc3' })),
)
