import { randomUUID } from 'node:crypto'
import { inspect } from 'node:util'
import { AnonymousCredential, ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import { describe, expect, it } from 'vitest'
import type { Driver } from '../../../src/core/driver.js'
import { StorageError } from '../../../src/core/errors.js'
import { AzureDriver, type AzureDriverOptions } from '../../../src/drivers/azure/index.js'
import { azureConnection, createContainer, describeWithAzurite } from '../../support/azure.js'
import { driverOn } from './driver-on-azurite.js'

const TEXT = { contentType: 'text/plain' }
const WRONG_KEY = Buffer.from('a very secret key that is wrong').toString('base64')
const keys = { accountName: 'acme', accountKey: WRONG_KEY }
const credential = { getToken: async () => ({ token: 'a secret token', expiresOnTimestamp: 0 }) }

/** One call of every method, by name. */
const CALLS: { method: string; call: (driver: Driver) => Promise<unknown> }[] = [
  { method: 'get', call: driver => driver.get('a.txt') },
  { method: 'get of the last bytes', call: driver => driver.get('a.txt', { range: { suffix: 3 } }) },
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

describeWithAzurite('the Azure driver says what is wrong', () => {
  it.each(CALLS)('$method on a missing container is ERR_BUCKET_NOT_FOUND', async ({ call }) => {
    const container = `missing-${randomUUID()}`
    const error = await failure(call(new AzureDriver({ container, ...azureConnection() })))
    expect(error).toMatchObject({
      code: 'ERR_BUCKET_NOT_FOUND',
      message: expect.stringContaining(`"${container}" here: create it`),
    })
  })

  it.each(CALLS)(
    '$method with a wrong key is ERR_BACKEND_DENIED and gives nothing away',
    async ({ call }) => {
      const error = await failure(call(driverOn(await createContainer(), { accountKey: WRONG_KEY })))
      expect(error.code).toBe('ERR_BACKEND_DENIED')
      const everything = inspect(error, { depth: 20, showHidden: true })
      for (const secret of [WRONG_KEY, 'a very secret key', 'SharedKey ', 'sig='])
        expect(everything.toLowerCase()).not.toContain(secret.toLowerCase())
    },
  )

  it.each(CALLS)(
    '$method through a SAS that allows nothing is ERR_BACKEND_DENIED, without the SAS',
    async ({ call }) => {
      const container = await createContainer()
      const sas = 'sv=2022-11-02&sr=c&sp=x&se=2099-01-01T00%3A00%3A00Z&sig=c2VjcmV0U2lnbmF0dXJl'
      const client = new ContainerClient(`${container.url}?${sas}`, new AnonymousCredential())
      const error = await failure(call(new AzureDriver({ container: container.containerName, client })))
      expect(error.code).toBe('ERR_BACKEND_DENIED')
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('c2VjcmV0U2lnbmF0dXJl')
    },
  )

  it.each(CALLS)('$method on a server that is down is ERR_BACKEND', async ({ call }) => {
    const error = await failure(
      call(new AzureDriver({ container: 'files', ...keys, endpoint: 'http://127.0.0.1:1/acme' })),
    )
    expect(error).toMatchObject({ code: 'ERR_BACKEND', message: expect.stringContaining('ECONNREFUSED') })
  })

  it('an account whose host does not exist is ERR_BACKEND with advice', async () => {
    const driver = new AzureDriver({ container: 'files', ...keys, endpoint: 'http://acme.invalid' })
    expect(await failure(driver.head('a.txt'))).toMatchObject({
      code: 'ERR_BACKEND',
      message: expect.stringContaining('check accountName'),
    })
  })

  it('ready does not need the container to exist', async () => {
    const driver = new AzureDriver({ container: `missing-${randomUUID()}`, ...azureConnection() })
    await driver.ready()
    expect(driver.signUrl?.('a.txt', { method: 'GET', expiresIn: 60, at: 0 })).toContain('sig=')
  })

  it('knows a key that is missing from a container that is there', async () => {
    const driver = driverOn(await createContainer())
    expect(await failure(driver.head('a.txt'))).toMatchObject({ code: 'ERR_FILE_NOT_FOUND', key: 'a.txt' })
  })

  it("works and signs through the application's own client with a key", async () => {
    const { containerName } = await createContainer()
    const { accountName, accountKey, endpoint } = azureConnection()
    const client = new ContainerClient(
      `${endpoint}/${containerName}`,
      new StorageSharedKeyCredential(accountName, accountKey),
    )
    const driver = new AzureDriver({ container: containerName, client })
    await driver.ready()
    await driver.put('a b.txt', Buffer.from('hello'), TEXT)
    await driver.copy('a b.txt', 'c.txt')
    const url = driver.signUrl?.('c.txt', { method: 'GET', expiresIn: 60, at: Date.now() })
    expect(await (await fetch(url ?? '')).text()).toBe('hello')
  })

  it('works through a client with a SAS, copies with it, and leaves signUrl out', async () => {
    const container = await createContainer()
    const { ContainerSASPermissions } = await import('@azure/storage-blob')
    const url = await container.generateSasUrl({
      permissions: ContainerSASPermissions.parse('racwdl'),
      expiresOn: new Date(Date.now() + 600_000),
    })
    const client = new ContainerClient(url)
    const driver: Driver = new AzureDriver({ container: container.containerName, client })
    await driver.ready()
    await driver.put('a.txt', Buffer.from('hello'), TEXT)
    await driver.copy('a.txt', 'b.txt')
    expect((await driver.head('b.txt')).size).toBe(5)
    expect(driver.signUrl).toBeUndefined()
    expect(driver.capabilities).toMatchObject({ signedUrls: false, maxExpiresIn: null })
  })
})

describe('the options of the Azure driver', () => {
  const client = new ContainerClient('https://acme.blob.core.windows.net/files')
  const refused: { what: string; options: AzureDriverOptions; says: RegExp }[] = [
    { what: 'no container', options: { container: '', ...keys }, says: /container/ },
    {
      what: 'nothing to sign with',
      options: { container: 'files', accountName: 'acme' },
      says: /accountKey/,
    },
    { what: 'a key and a credential', options: { container: 'files', ...keys, credential }, says: /either/ },
    {
      what: 'a key without its account',
      options: { container: 'files', accountKey: WRONG_KEY },
      says: /accountName/,
    },
    {
      what: 'a key that is none',
      options: { container: 'files', ...keys, accountKey: 'no key!' },
      says: /base64/,
    },
    {
      what: 'an account that is none',
      options: { container: 'files', ...keys, accountName: 'acme.evil' },
      says: /letters/,
    },
    {
      what: 'an endpoint that is no URL',
      options: { container: 'files', ...keys, endpoint: 'acme.net' },
      says: /URL/,
    },
    {
      what: 'an endpoint with a SAS',
      options: { container: 'files', ...keys, endpoint: 'https://a.b/?sig=secret' },
      says: /^(?!.*secret)/,
    },
    {
      what: 'a client and a key',
      options: { container: 'files', client, ...keys },
      says: /accountName, accountKey/,
    },
    { what: "another container's client", options: { container: 'other', client }, says: /"files"/ },
    {
      what: 'no blocks in flight',
      options: { container: 'files', ...keys, blocksInFlight: 0 },
      says: /blocksInFlight/,
    },
    {
      what: 'blocks that are too large',
      options: { container: 'files', ...keys, blockSize: 2 ** 32 },
      says: /4,000 MiB/,
    },
  ]
  it.each(refused)('refuse $what', ({ options, says }) => {
    expect(() => new AzureDriver(options)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringMatching(says) }),
    )
  })

  it('let a credential stand alone with an account or an endpoint', () => {
    new AzureDriver({ container: 'files', accountName: 'acme', credential })
    new AzureDriver({ container: 'files', endpoint: 'https://acme.blob.core.windows.net/', credential })
  })
})
