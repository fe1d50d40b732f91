import { PutObjectCommand, S3Client, UploadPartCommand } from '@aws-sdk/client-s3'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeKey, encodeUri } from '../../../src/core/uri.js'
import { resolveBucketAddress } from '../../../src/drivers/s3/bucket-address.js'
import { HeaderSigner } from '../../../src/drivers/s3/header-signer.js'

const BUCKET = 'acme'

interface Captured {
  path: string
  query: Record<string, string>
  headers: Record<string, string>
}

/** What the SDK would send: it signs, and then the request is caught. */
async function signedBySdk(client: S3Client, send: () => Promise<unknown>): Promise<Captured> {
  let caught: Captured | undefined
  client.middlewareStack.add(
    () => async args => {
      caught = args.request as Captured
      return { response: {}, output: { $metadata: {} } }
    },
    { step: 'finalizeRequest', priority: 'low', name: 'catchSigned' },
  )
  await send()
  return caught ?? expect.fail('the SDK sent nothing')
}

/** Our signature of the same request at the same second. */
async function authorization(
  client: S3Client,
  key: string,
  query: string,
  { headers }: Captured,
): Promise<string> {
  const credentials = await client.config.credentials()
  const address = await resolveBucketAddress(client, BUCKET)
  const signer = new HeaderSigner(address, credentials)
  const { authorization: _theirs, ...sent } = headers
  const at = Date.parse((sent['x-amz-date'] ?? '').replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'))
  const signed = signer.sign(
    {
      method: 'PUT',
      path: address.pathPrefix + encodeKey(key),
      query,
      headers: sent,
      payload: sent['x-amz-content-sha256'] ?? '',
    },
    at,
  )
  return signed[signed.indexOf('authorization') + 1] ?? ''
}

const text = fc.string({
  unit: fc.constantFrom(...'abcXYZ019 \'"()*!~+&=%/:;,@#?.-_'),
  minLength: 1,
  maxLength: 40,
})
const segment = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  .filter(
    name => name !== '.' && name !== '..' && !/[/\\\p{C}\u2028\u2029]/u.test(name) && name.isWellFormed(),
  )
const key = fc.array(segment, { minLength: 1, maxLength: 4 }).map(segments => segments.join('/'))
const configuration = fc.record({
  region: fc.constantFrom('us-east-1', 'eu-central-1', 'ap-southeast-2'),
  endpoint: fc.constantFrom(undefined, 'http://127.0.0.1:7480', 'https://nyc3.digitaloceanspaces.com'),
  forcePathStyle: fc.boolean(),
  credentials: fc.record({
    accessKeyId: fc.constantFrom('AKIAEXAMPLE', 'k'),
    secretAccessKey: fc.string({ minLength: 1, maxLength: 50 }),
    sessionToken: fc.option(fc.base64String({ minLength: 4, maxLength: 80 }), { nil: undefined }),
  }),
})

describe('a request that we sign is signed as the SDK signs it', () => {
  it('to store an object, with all that can be said of it', async () => {
    const headers = fc.record(
      { ContentDisposition: text, CacheControl: text, ContentType: text },
      { requiredKeys: ['ContentType'] },
    )
    const body = fc.uint8Array({ maxLength: 50 })
    await fc.assert(
      fc.asyncProperty(configuration, key, headers, body, async (config, Key, said, Body) => {
        const client = new S3Client(config)
        const command = new PutObjectCommand({
          Bucket: BUCKET,
          Key,
          Body,
          ...said,
          IfNoneMatch: '*',
          StorageClass: 'STANDARD_IA',
          ServerSideEncryption: 'aws:kms',
          SSEKMSKeyId: 'a-key',
          Metadata: { 'put-id': 'x' },
        })
        const theirs = await signedBySdk(client, () => client.send(command))
        expect(await authorization(client, Key, 'x-id=PutObject', theirs)).toBe(theirs.headers.authorization)
        expect(theirs.path.endsWith(`/${encodeKey(Key)}`)).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  it('to store a part, whatever the id of the upload', async () => {
    await fc.assert(
      fc.asyncProperty(
        configuration,
        key,
        text,
        fc.integer({ min: 1, max: 10_000 }),
        async (config, Key, id, part) => {
          const client = new S3Client(config)
          const command = new UploadPartCommand({
            Bucket: BUCKET,
            Key,
            UploadId: id,
            PartNumber: part,
            Body: new Uint8Array(3),
          })
          const theirs = await signedBySdk(client, () => client.send(command))
          const query = `partNumber=${part}&uploadId=${encodeUri(id)}&x-id=UploadPart`
          expect(await authorization(client, Key, query, theirs)).toBe(theirs.headers.authorization)
        },
      ),
      { numRuns: 100 },
    )
  })
})

describe('a signer', () => {
  it('signs for the second that it is asked for, over midnight too', async () => {
    const client = new S3Client({
      region: 'eu-central-1',
      credentials: { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret' },
    })
    const address = await resolveBucketAddress(client, BUCKET)
    const credentials = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret' }
    const used = new HeaderSigner(address, credentials)
    const midnight = Date.UTC(2026, 10, 24)
    for (const at of [midnight - 1, midnight, midnight + 999, midnight + 1_000, midnight - 1]) {
      const request = {
        method: 'PUT',
        path: '/k',
        query: '',
        headers: {},
        payload: 'UNSIGNED-PAYLOAD',
      } as const
      expect(used.sign(request, at)).toEqual(new HeaderSigner(address, credentials).sign(request, at))
    }
    expect(
      used.sign({ method: 'PUT', path: '/k', query: '', headers: {}, payload: 'x' }, midnight),
    ).toContain('20261124T000000Z')
  })
})
