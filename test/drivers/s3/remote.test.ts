import { describeWithS3 } from '../../support/s3.js'
import { runRemoteCases } from './remote-cases-on-s3.js'

describeWithS3('the S3 driver on a backend that fails', () => runRemoteCases())
