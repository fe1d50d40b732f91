import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { describe, expect, it } from 'vitest'
import type { SignUrlOptions } from '../../../src/core/driver.js'
import { resolveBucketAddress } from '../../../src/drivers/s3/bucket-address.js'
import { UrlSigner } from '../../../src/drivers/s3/url-signer.js'
import { bySuite } from '../../support/suites.js'

/** The SDK takes most of the time. */
const KEYS = bySuite({ quick: 100, full: 1_000 })
const credentials = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret/with+odd=characters' }
const sessionToken = 'IQoJb3JpZ2luX2VjEOP//////////wEaDGV1LWNlbnRyYWwtMSJH+/=='

interface Configuration {
  what: string
  bucket: string
  client: S3ClientConfig
}

const CONFIGURATIONS: Configuration[] = [
  { what: 'virtual-hosted', bucket: 'acme-files', client: { region: 'us-east-1' } },
  {
    what: 'path style on a custom endpoint with a port',
    bucket: 'acme-files',
    client: { region: 'us-east-1', endpoint: 'http://127.0.0.1:9000', forcePathStyle: true },
  },
  {
    what: 'DigitalOcean Spaces',
    bucket: 'acme-files',
    client: { region: 'nyc3', endpoint: 'https://nyc3.digitaloceanspaces.com' },
  },
  { what: 'a bucket with dots', bucket: 'files.acme.example', client: { region: 'eu-west-1' } },
  {
    what: 'a session token',
    bucket: 'acme-files',
    client: { region: 'us-west-2', credentials: { ...credentials, sessionToken } },
  },
  { what: 'another region', bucket: 'acme-files', client: { region: 'eu-central-1' } },
]

/** Deterministic, so that a failure can be repeated. */
function oddKeys(count: number): string[] {
  const odd = [
    ...Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)),
    ...['é', 'u\u0308', 'ß', '日本', 'ф', '😀', '👩\u200d👧', '𝒳', '\t', '\n', '\u007f', '\u200b', '\ufeff'],
    ...['%20', '%2F', '%zz', '..', '.', '//', '/../', '+', '~', "!'()*"],
  ]
  let state = 42
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  return Array.from({ length: count }, (_, index) => {
    if (index % 5 === 0) return `media/acme/order_files/0192f0c1-${index}.pdf`
    return Array.from({ length: 1 + random(24) }, () => odd[random(odd.length)]).join('')
  })
}

function requestFor(index: number): SignUrlOptions {
  const headers = {
    contentDisposition: `attachment; filename="a (${index}).pdf"; filename*=UTF-8''%C3%A9`,
    contentType: 'application/pdf; a=b',
    cacheControl: 'private, max-age=3600',
  }
  return {
    method: 'GET',
    at: Date.UTC(2026, 10, 20 + (index % 3), 23, 59, index % 60, index % 1000),
    expiresIn: 1 + ((index * 7_919) % 604_800),
    ...(index % 3 === 0 ? headers : {}),
    ...(index % 7 === 0 ? { contentType: 'text/html' } : {}),
  }
}

async function bySdk(
  client: S3Client,
  bucket: string,
  key: string,
  request: SignUrlOptions,
): Promise<string> {
  const input = {
    Bucket: bucket,
    Key: key,
    ResponseContentDisposition: request.contentDisposition,
    ResponseContentType: request.contentType,
    ResponseCacheControl: request.cacheControl,
  }
  const options = { signingDate: new Date(request.at), expiresIn: request.expiresIn }
  switch (request.method) {
    case 'GET':
      return getSignedUrl(client, new GetObjectCommand(input), options)
    case 'HEAD':
      return getSignedUrl(client, new HeadObjectCommand(input), options)
    case 'PUT':
      return getSignedUrl(client, new PutObjectCommand(input), options)
    case 'DELETE':
      return getSignedUrl(client, new DeleteObjectCommand(input), options)
  }
}

async function bothFor({ bucket, client: config }: Configuration) {
  const client = new S3Client({
    credentials,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...config,
  })
  const signer = new UrlSigner(await resolveBucketAddress(client, bucket), await client.config.credentials())
  return { client, signer }
}

describe("the URL signer gives the SDK's URLs, byte for byte", () => {
  for (const configuration of CONFIGURATIONS) {
    it(`for ${KEYS} odd keys: ${configuration.what}`, async () => {
      const { client, signer } = await bothFor(configuration)
      const keys = oddKeys(KEYS)
      expect(new Set(keys).size).toBeGreaterThan(KEYS * 0.95)
      for (const [index, key] of keys.entries()) {
        const request = requestFor(index)
        const ours = signer.sign(key, request)
        if (ours !== (await bySdk(client, configuration.bucket, key, request)))
          expect.fail(`${JSON.stringify(key)} differs: ${ours}`)
      }
    })
  }

  for (const configuration of CONFIGURATIONS) {
    it(`for every method: ${configuration.what}`, async () => {
      const { client, signer } = await bothFor(configuration)
      for (const method of ['GET', 'HEAD', 'PUT', 'DELETE'] satisfies SignUrlOptions['method'][]) {
        for (const index of [0, 1, 7]) {
          const request = { ...requestFor(index), method }
          const sdk = await bySdk(client, configuration.bucket, "a b/é+(1)'.pdf", request)
          expect(signer.sign("a b/é+(1)'.pdf", request)).toBe(sdk)
        }
      }
    })
  }
})

describe('the URL signer', () => {
  it('signs nothing but the constant for the body, and no checksum', async () => {
    const { signer } = await bothFor(CONFIGURATIONS[0]!)
    const url = signer.sign('a.txt', { ...requestFor(1), method: 'PUT' })
    expect(url).not.toMatch(/x-amz-checksum/i)
    expect(url).toContain('X-Amz-Content-Sha256=UNSIGNED-PAYLOAD')
  })

  it('stays right when many moments and lives take turns', async () => {
    const { client, signer } = await bothFor(CONFIGURATIONS[0]!)
    for (let index = 0; index < 500; index++) signer.sign(`${index}`, requestFor(index))
    const request = requestFor(3)
    expect(signer.sign('again', request)).toBe(await bySdk(client, 'acme-files', 'again', request))
  })

  it('costs a small fraction of what the SDK takes for a URL', async () => {
    const { client, signer } = await bothFor(CONFIGURATIONS[0]!)
    const request = requestFor(1)
    const keys = Array.from({ length: 300 }, (_, index) => `media/acme/order_files/${index}/report final.pdf`)
    for (const key of keys) signer.sign(key, request)
    const cpu = async (work: () => Promise<void>) => {
      const before = process.cpuUsage()
      await work()
      const { user, system } = process.cpuUsage(before)
      return user + system
    }
    const sdk = await cpu(async () => {
      for (const key of keys) await bySdk(client, 'acme-files', key, request)
    })
    const rounds = 20
    const own = await cpu(async () => {
      for (let round = 0; round < rounds; round++) for (const key of keys) signer.sign(key, request)
    })
    expect(sdk / (own / rounds)).toBeGreaterThan(30)
  })
})
