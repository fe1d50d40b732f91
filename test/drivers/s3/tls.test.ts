import { Agent } from 'node:https'
import { S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { S3Driver } from '../../../src/drivers/s3/index.js'
import { createBucket, describeWithS3, s3Connection } from '../../support/s3.js'
import { startTlsFront, type TlsFront } from '../../support/tls-front.js'

const TEXT = { contentType: 'text/plain' }

describeWithS3('the S3 driver over https', () => {
  let front: TlsFront
  let bucket: string
  beforeAll(async () => {
    front = await startTlsFront(s3Connection().endpoint)
    bucket = await createBucket('tls')
  })
  afterAll(() => front.close())

  const connection = () => {
    const { region, accessKeyId, secretAccessKey } = s3Connection()
    return { region, credentials: { accessKeyId, secretAccessKey } }
  }

  it.each(['own', 'sdk'] as const)(
    'says what is wrong with a certificate, with the transport %s',
    async transport => {
      const driver = new S3Driver({ bucket, endpoint: front.endpoint, ...connection(), transport })
      const says = /certificate .*DEPTH_ZERO_SELF_SIGNED_CERT.*NODE_EXTRA_CA_CERTS/
      const wrong = { code: 'ERR_BACKEND', message: expect.stringMatching(says) }
      await expect(driver.put('a.txt', Buffer.from('x'), TEXT)).rejects.toMatchObject(wrong)
      await expect(driver.head('a.txt')).rejects.toMatchObject(wrong)
      await driver.close()
    },
  )

  it("trusts whom the application's agent trusts", async () => {
    const client = new S3Client({
      endpoint: front.endpoint,
      ...connection(),
      forcePathStyle: true,
      requestHandler: {
        httpsAgent: new Agent({ keepAlive: true, ca: front.ca, checkServerIdentity: () => undefined }),
      },
      requestChecksumCalculation: 'WHEN_REQUIRED',
    })
    const driver = new S3Driver({ bucket, client })
    expect((await driver.put('a.txt', Buffer.from('over TLS'), TEXT)).size).toBe(8)
    expect((await driver.head('a.txt')).size).toBe(8)
    client.destroy()
  })
})
