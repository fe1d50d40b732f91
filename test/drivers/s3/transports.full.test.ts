import { Agent } from 'node:https'
import { S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, vi } from 'vitest'
import { S3Driver } from '../../../src/drivers/s3/index.js'
import { describeWithS3, s3Connection } from '../../support/s3.js'
import { startTlsFront, type TlsFront } from '../../support/tls-front.js'
import { runDriverCases } from './driver-cases-on-s3.js'
import { runRemoteCases } from './remote-cases-on-s3.js'

const PART = { partSize: 5 * 1024 * 1024, partsInFlight: 2 }

// `own` over http, the default, is in conformance.test.ts and remote.test.ts.
describeWithS3('the S3 driver keeps its promises', () => {
  let front: TlsFront
  beforeAll(async () => {
    front = await startTlsFront(s3Connection().endpoint)
  })
  afterAll(() => front.close())

  describe('with the transport sdk over http', () => {
    runDriverCases(bucket => {
      const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
      const credentials = { accessKeyId, secretAccessKey }
      return new S3Driver({ bucket, endpoint, region, credentials, ...PART, transport: 'sdk' })
    })
    runRemoteCases(options => new S3Driver({ ...options, transport: 'sdk' }))
  })

  describe.each(['own', 'sdk'] as const)('with the transport %s over https', transport => {
    // For those who open signed URLs, and for the driver's own client: it has no place for an authority, and node
    // reads NODE_EXTRA_CA_CERTS when it starts. tls.test.ts is about certificates.
    beforeAll(() => void vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0'))
    afterAll(() => void vi.unstubAllEnvs())

    describe('by a client that knows the authority', () => {
      // The cases of the transport before this one leave the front at the last of their relays.
      beforeAll(() => {
        front.target = s3Connection().endpoint
      })
      runDriverCases(bucket => new S3Driver({ bucket, client: trustingClient(front), ...PART, transport }))
    })

    describe('on a backend that fails', () => {
      runRemoteCases(options => new S3Driver({ ...options, endpoint: throughTls(options), transport }))
    })
  })

  /** One case has one relay, so the front can lead to it. Who shall not get a connection must not find the front. */
  function throughTls({
    endpoint = '',
    connectTimeout,
  }: {
    endpoint?: string
    connectTimeout?: number
  }): string {
    if (connectTimeout === 200) return endpoint.replace('http:', 'https:')
    front.target = endpoint
    return front.endpoint
  }
})

function trustingClient({ endpoint, ca }: TlsFront): S3Client {
  const { region, accessKeyId, secretAccessKey } = s3Connection()
  return new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    requestHandler: { httpsAgent: new Agent({ keepAlive: true, ca, checkServerIdentity: () => undefined }) },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
}
