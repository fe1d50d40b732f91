import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import { Storage } from '@google-cloud/storage'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Driver } from '../../../src/core/driver.js'
import { StorageError } from '../../../src/core/errors.js'
import { GcsDriver, type GcsDriverOptions } from '../../../src/drivers/gcs/index.js'
import { GcsStub } from '../../support/gcs-stub.js'
import { stubClient } from './stub-client.js'

const TEXT = { contentType: 'text/plain' }

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

describe('the GCS driver on a GCS stub says what is wrong', () => {
  const stub = new GcsStub()
  beforeAll(async () => void (await stub.start()))
  afterAll(() => stub.close())

  const driverOn = (bucket: string, options: Partial<GcsDriverOptions> = {}) =>
    new GcsDriver({ bucket, client: stubClient(stub), ...options })

  it.each(CALLS)('$method on a missing bucket is ERR_BUCKET_NOT_FOUND', async ({ call }) => {
    const bucket = `missing-${randomUUID()}`
    const error = await failure(call(driverOn(bucket)))
    expect(error).toMatchObject({ code: 'ERR_BUCKET_NOT_FOUND', message: expect.stringContaining(bucket) })
  })

  it.each(CALLS)("$method on somebody else's bucket is ERR_BACKEND_DENIED", async ({ call }) => {
    const driver = driverOn(stub.createBucket(), { client: stubClient(stub, stub.stranger) })
    expect(await failure(call(driver))).toMatchObject({ code: 'ERR_BACKEND_DENIED' })
  })

  it.each(CALLS)(
    '$method with a wrong key is ERR_BACKEND_DENIED and gives nothing away',
    async ({ call }) => {
      const { client_email } = stub.owner
      const client = stubClient(stub, { client_email, private_key: stub.stranger.private_key })
      const error = await failure(call(driverOn(stub.createBucket(), { client, hmac: stub.hmac })))
      expect(error.code).toBe('ERR_BACKEND_DENIED')
      const everything = inspect(error, { depth: 20, showHidden: true })
      for (const secret of ['PRIVATE KEY', 'Bearer', 'upload_id', stub.hmac.secret])
        expect(everything).not.toContain(secret)
    },
  )

  it.each(CALLS)('$method on a server that is down is ERR_BACKEND', async ({ call }) => {
    const driver = new GcsDriver({ bucket: 'bucket', endpoint: 'http://127.0.0.1:1', maxAttempts: 1 })
    const error = await failure(call(driver))
    expect(error).toMatchObject({ code: 'ERR_BACKEND', message: expect.stringContaining('ECONNREFUSED') })
  })

  it('a host that does not exist is ERR_BACKEND with advice', async () => {
    const error = await failure(
      new GcsDriver({ bucket: 'bucket', endpoint: 'http://gcs.invalid' }).head('a.txt'),
    )
    expect(error).toMatchObject({
      code: 'ERR_BACKEND',
      message: expect.stringMatching(/not be reached.*check/),
    })
  })

  it('needs no credentials on an emulator, and has no signed URLs there', async () => {
    stub.isOpen = true
    const driver = new GcsDriver({ bucket: stub.createBucket(), endpoint: stub.endpoint })
    await driver.ready()
    await driver.put('a.txt', Buffer.from('x'), TEXT)
    expect((await driver.head('a.txt')).size).toBe(1)
    stub.isOpen = false
    expect(driver.signUrl).toBeUndefined()
    expect(driver.capabilities).toMatchObject({ signedUrls: false, maxExpiresIn: null })
  })

  it('a key below .well-known/acme-challenge/ is ERR_KEY_INVALID', async () => {
    const driver = driverOn(stub.createBucket())
    const error = await failure(driver.put('.well-known/acme-challenge/x', Buffer.from('x'), TEXT))
    expect(error.code).toBe('ERR_KEY_INVALID')
  })
})

describe('the credentials of the GCS driver', () => {
  const stub = new GcsStub()
  const keyFile = async (content: unknown) => {
    const file = path.join(tmpdir(), `gcs-${randomUUID()}.json`)
    await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
    return file
  }

  it("a service account's key file signs URLs once the driver is ready", async () => {
    const { client_email, private_key } = stub.owner
    const file = await keyFile({ type: 'service_account', client_email, private_key })
    const driver = new GcsDriver({ bucket: 'bucket', keyFile: file })
    expect(driver.signUrl).toBeUndefined()
    await driver.ready()
    expect(driver.capabilities.signedUrls).toBe(true)
    const url = driver.signUrl?.('a.txt', { method: 'GET', expiresIn: 60, at: 0 })
    expect(url).toContain(`X-Goog-Credential=${encodeURIComponent(client_email)}`)
  })

  it('a key file without a private key signs nothing', async () => {
    const file = await keyFile({
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: 'https://sts.googleapis.com/v1/token',
      credential_source: { file: '/nowhere' },
    })
    const driver = new GcsDriver({ bucket: 'bucket', keyFile: file })
    await driver.ready()
    expect(driver.signUrl).toBeUndefined()
    expect(driver.capabilities.signedUrls).toBe(false)
  })

  it("go to Google's own endpoints, and to others only when they were given", async () => {
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '/no/such/key.json')
    const regional = 'https://storage.europe-west3.rep.googleapis.com'
    const error = await failure(new GcsDriver({ bucket: 'bucket', endpoint: regional }).ready())
    expect(error.code).toBe('ERR_CONFIG')
    await new GcsDriver({ bucket: 'bucket', endpoint: 'https://googleapis.com.example' }).ready()
    vi.unstubAllEnvs()
  })

  it.each([
    { what: 'is missing', content: undefined },
    { what: 'is no JSON', content: 'private_key: s3cr3t' },
  ])('a key file that $what is ERR_CONFIG and gives nothing away', async ({ content }) => {
    const file = content === undefined ? '/no/such/key.json' : await keyFile(content)
    const error = await failure(new GcsDriver({ bucket: 'bucket', keyFile: file }).ready())
    expect(error).toMatchObject({ code: 'ERR_CONFIG', message: expect.stringContaining('key file') })
    expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/s3cr3t|private_key/)
  })
})

describe('the options of the GCS driver', () => {
  const credentials = { client_email: 'a@b.c', private_key: 'no\\nkey' }
  it.each([
    { what: 'no bucket', options: { bucket: '' } },
    { what: 'a bucket with a slash', options: { bucket: 'acme/files' } },
    { what: 'chunks of an odd size', options: { bucket: 'acme', chunkSize: 300_000 } },
    { what: 'a budget below nothing', options: { bucket: 'acme', retryBudget: -1 } },
    { what: 'no attempts', options: { bucket: 'acme', maxAttempts: 0 } },
    { what: 'an endpoint that is no URL', options: { bucket: 'acme', endpoint: 'storage.internal' } },
    { what: 'a private key that is none', options: { bucket: 'acme', credentials } },
    {
      what: 'an HMAC key without its secret',
      options: { bucket: 'acme', hmac: { accessId: 'a', secret: '' } },
    },
    { what: 'a key file and credentials', options: { bucket: 'acme', keyFile: 'x.json', credentials } },
    { what: 'a client and a key file', options: { bucket: 'acme', keyFile: 'x', client: new Storage() } },
  ])('refuse $what', ({ options }) => {
    expect(() => new GcsDriver(options)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  })
})
