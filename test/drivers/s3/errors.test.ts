import { randomUUID } from 'node:crypto'
import { Agent } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { inspect } from 'node:util'
import { S3Client } from '@aws-sdk/client-s3'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Driver } from '../../../src/core/driver.js'
import { StorageError } from '../../../src/core/errors.js'
import { S3Driver, type S3DriverOptions } from '../../../src/drivers/s3/index.js'
import { createBucket, describeWithS3, s3Connection } from '../../support/s3.js'

const TEXT = { contentType: 'text/plain' }
const keys = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'verySecretKey' }

function driverOn(bucket: string, options: Partial<S3DriverOptions> = {}): S3Driver {
  const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
  return new S3Driver({ bucket, endpoint, region, credentials: { accessKeyId, secretAccessKey }, ...options })
}

/** One call of every method, by name. */
const CALLS: { method: string; call: (driver: Driver) => Promise<unknown> }[] = [
  { method: 'get', call: driver => driver.get('a.txt') },
  { method: 'head', call: driver => driver.head('a.txt') },
  { method: 'delete', call: driver => driver.delete('a.txt') },
  { method: 'copy', call: driver => driver.copy('a.txt', 'b.txt') },
  { method: 'put', call: driver => driver.put('a.txt', Buffer.from('x'), TEXT) },
  { method: 'a large put', call: driver => driver.put('a.txt', Buffer.alloc(9_000_000), TEXT) },
  {
    method: 'a large create-only put',
    call: driver => driver.put('a.txt', Buffer.alloc(9_000_000), { ...TEXT, ifNoneMatch: '*' }),
  },
  {
    method: 'list',
    call: async driver => {
      for await (const _ of driver.list('')) return
    },
  },
]

const failure = (promise: Promise<unknown>): Promise<StorageError> =>
  promise.then(
    () => expect.fail('it succeeded'),
    (error: unknown) => (StorageError.is(error) ? error : expect.fail(`no StorageError: ${inspect(error)}`)),
  )

describeWithS3('the S3 driver says what is wrong', () => {
  it.each(CALLS)('$method on a missing bucket is ERR_BUCKET_NOT_FOUND', async ({ call }) => {
    const bucket = `missing-${randomUUID()}`
    const error = await failure(call(driverOn(bucket)))
    expect(error).toMatchObject({ code: 'ERR_BUCKET_NOT_FOUND', message: expect.stringContaining(bucket) })
  })

  it.each(CALLS)(
    '$method with a wrong secret is ERR_BACKEND_DENIED and gives nothing away',
    async ({ call }) => {
      const bucket = await createBucket()
      const { accessKeyId } = s3Connection()
      const driver = driverOn(bucket, { credentials: { accessKeyId, secretAccessKey: 'verySecretKey' } })
      const error = await failure(call(driver))
      expect(error.code).toBe('ERR_BACKEND_DENIED')
      const everything = inspect(error, { depth: 20, showHidden: true })
      for (const secret of ['verySecretKey', 'Signature=', 'X-Amz-Signature', accessKeyId]) {
        expect(everything).not.toContain(secret)
      }
    },
  )

  it.each(CALLS)("$method on somebody else's bucket is ERR_BACKEND_DENIED", async ({ call }) => {
    const driver = driverOn(await createBucket(), { credentials: s3Connection().other })
    expect(await failure(call(driver))).toMatchObject({ code: 'ERR_BACKEND_DENIED' })
  })

  it.each(CALLS)('$method on a server that is down is ERR_BACKEND', async ({ call }) => {
    const error = await failure(call(driverOn('bucket', { endpoint: 'http://127.0.0.1:1' })))
    expect(error).toMatchObject({ code: 'ERR_BACKEND', message: expect.stringContaining('ECONNREFUSED') })
  })

  it('a host that does not exist is ERR_BACKEND with advice', async () => {
    const error = await failure(driverOn('bucket', { endpoint: 'http://s3.invalid' }).head('a.txt'))
    expect(error).toMatchObject({ code: 'ERR_BACKEND', message: expect.stringContaining('addressingStyle') })
  })

  it('a server that speaks something else than HTTP, or no TLS, is ERR_BACKEND with advice', async () => {
    const server = createServer(socket =>
      socket.on('error', () => {}).on('data', () => socket.write('SSH-2.0-OpenSSH_9.2\r\n')),
    )
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const plain = s3Connection().endpoint.replace('http:', 'https:')
    for (const endpoint of [`http://127.0.0.1:${port}`, plain]) {
      const error = await failure(driverOn('bucket', { endpoint }).put('a.txt', Buffer.from('x'), TEXT))
      expect(error).toMatchObject({
        code: 'ERR_BACKEND',
        message: expect.stringMatching(/does not speak.*https/),
      })
      expect(error.message).not.toContain('could not be reached')
    }
  })

  it('no credentials anywhere are ERR_BACKEND_DENIED with advice', async () => {
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE'])
      vi.stubEnv(name, undefined)
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
    for (const name of ['AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONFIG_FILE']) vi.stubEnv(name, '/no/such/file')
    const { endpoint, region } = s3Connection()
    const driver = new S3Driver({ bucket: 'bucket', endpoint, region })
    for (const call of [driver.ready(), driver.head('a.txt')]) {
      expect(await failure(call)).toMatchObject({
        code: 'ERR_BACKEND_DENIED',
        message: expect.stringContaining('No credentials were found'),
      })
    }
    vi.unstubAllEnvs()
  })

  it('ready does not need the bucket to exist', async () => {
    const driver = driverOn(`missing-${randomUUID()}`)
    await driver.ready()
    expect(driver.signUrl('a.txt', { method: 'GET', expiresIn: 60, at: 0 })).toContain('X-Amz-Signature=')
  })

  it('knows a key that is missing from a bucket that is there', async () => {
    expect(await failure(driverOn(await createBucket()).head('a.txt'))).toMatchObject({
      code: 'ERR_FILE_NOT_FOUND',
    })
  })

  it("works through the application's own client, virtual-hosted, and leaves it open", async () => {
    const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
    const bucket = await createBucket()
    const agent = new Agent({
      keepAlive: true,
      lookup: (_host, options, callback) =>
        callback(null, options.all ? ([{ address: '127.0.0.1', family: 4 }] as never) : '127.0.0.1', 4),
    })
    const client = new S3Client({
      endpoint: `http://s3.localhost:${new URL(endpoint).port}`,
      region,
      credentials: { accessKeyId, secretAccessKey },
      requestHandler: { httpAgent: agent },
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    })
    const driver = new S3Driver({ bucket, client })
    await driver.ready()
    await driver.put('a b.txt', Buffer.from('hello'), TEXT)
    await driver.copy('a b.txt', 'c.txt')
    expect(driver.signUrl('a b.txt', { method: 'GET', expiresIn: 60, at: 0 })).toMatch(
      new RegExp(`^http://${bucket}\\.s3\\.localhost:\\d+/a%20b\\.txt\\?`),
    )
    await driver.close()
    expect((await new S3Driver({ bucket, client }).head('c.txt')).size).toBe(5)
    client.destroy()
  })
})

describe('the options of the S3 driver', () => {
  it.each([
    { what: 'no bucket', options: { bucket: '' } },
    { what: 'parts below 5 MiB', options: { bucket: 'b', partSize: 1024 } },
    { what: 'a connect time-out of nothing', options: { bucket: 'b', connectTimeout: 0 } },
    { what: 'a budget below nothing', options: { bucket: 'b', retryBudget: -1 } },
    {
      what: 'a client and a budget',
      options: { bucket: 'b', retryBudget: 5, client: new S3Client({}) },
    },
    { what: 'no parts in flight', options: { bucket: 'b', partsInFlight: 0 } },
    { what: 'an endpoint that is no URL', options: { bucket: 'b', endpoint: 'nyc3.digitaloceanspaces.com' } },
    {
      what: 'a client and a region',
      options: { bucket: 'b', region: 'eu-west-1', client: new S3Client({}) },
    },
  ])('refuse $what', ({ options }) => {
    expect(() => new S3Driver(options)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  })

  it.each([
    { endpoint: 'http://127.0.0.1:9000', starts: 'http://127.0.0.1:9000/acme/' },
    { endpoint: 'http://[::1]:9000', starts: 'http://[::1]:9000/acme/' },
    { endpoint: 'http://localhost:9000', starts: 'http://localhost:9000/acme/' },
    { endpoint: 'https://s3.example.com', starts: 'https://acme.s3.example.com/' },
    { endpoint: undefined, starts: 'https://acme.s3.eu-west-1.amazonaws.com/' },
  ])('address $endpoint as $starts', async ({ endpoint, starts }) => {
    const driver = new S3Driver({ bucket: 'acme', region: 'eu-west-1', endpoint, credentials: keys })
    await driver.ready()
    const url = driver.signUrl('k', { method: 'GET', expiresIn: 60, at: 0 })
    expect(url.startsWith(`${starts}k?`), url).toBe(true)
  })

  it('let the style of addressing be chosen', async () => {
    const endpoint = 'https://s3.example.com'
    const driver = new S3Driver({ bucket: 'acme', endpoint, credentials: keys, addressingStyle: 'path' })
    await driver.ready()
    expect(driver.signUrl('k', { method: 'GET', expiresIn: 60, at: 0 })).toMatch(
      /^https:\/\/s3\.example\.com\/acme\/k\?/,
    )
  })
})
