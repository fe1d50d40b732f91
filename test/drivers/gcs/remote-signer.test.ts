import { inspect } from 'node:util'
import { Storage } from '@google-cloud/storage'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { SignUrlOptions } from '../../../src/core/driver.js'
import { createStorage, runWithTenant, type Storage as TenantStorage } from '../../../src/core/index.js'
import { HeldSignatures } from '../../../src/drivers/gcs/held-signatures.js'
import { GcsDriver, type GcsDriverOptions } from '../../../src/drivers/gcs/index.js'
import { storeFile } from '../../../src/upload/index.js'
import { GcsStub } from '../../support/gcs-stub.js'
import { accessToken } from '../../support/gcs-stub-iam.js'
import { errorOf } from '../../upload/support.js'

const stub = new GcsStub()
const OWNER = stub.owner.client_email
const STRANGER = stub.stranger.client_email
const asAcme = <T>(fn: () => T): T => runWithTenant('acme', fn)
const get = (more: Partial<SignUrlOptions> = {}): SignUrlOptions => ({
  method: 'GET',
  expiresIn: 600,
  at: Date.now(),
  ...more,
})
const signBlobs = () => stub.seen.filter(line => line.includes(':signBlob'))

/** A machine with a service account and no key, as on Cloud Run or GKE. */
function onMachine(options: Partial<GcsDriverOptions> = {}, client = machineClient()): GcsDriver {
  return new GcsDriver({ bucket: stub.createBucket(), client, iamEndpoint: stub.endpoint, ...options })
}

function machineClient(apiEndpoint = stub.endpoint): Storage {
  return new Storage({ apiEndpoint, useAuthWithCustomEndpoint: true })
}

async function ready(driver: GcsDriver): Promise<GcsDriver> {
  await driver.ready()
  return driver
}

beforeAll(async () => {
  await stub.start()
  vi.stubEnv('GCE_METADATA_HOST', stub.endpoint)
  vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present')
  vi.stubEnv('GOOGLE_CLOUD_PROJECT', 'acme')
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', undefined)
  vi.stubEnv('HOME', '/nowhere')
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await stub.close()
})
beforeEach(() => {
  stub.seen = []
  stub.machine = stub.owner
})
afterEach(() => {
  stub.fault = undefined
  stub.tokenCreators = [{ caller: OWNER, account: OWNER }]
})

describe('the GCS driver without a key signs URLs by asking IAM', () => {
  it('and the storage accepts them', async () => {
    const driver = await ready(onMachine())
    await driver.put('a b.txt', Buffer.from('hello'), { contentType: 'text/plain' })
    const contentDisposition = 'attachment; filename="a (1).txt"'
    const answer = await fetch((await driver.signUrlRemotely?.('a b.txt', get({ contentDisposition }))) ?? '')
    expect([answer.status, await answer.text()]).toEqual([200, 'hello'])
    expect(answer.headers.get('content-disposition')).toBe(contentDisposition)
  })

  it('and the storage refuses them when a letter of the key is changed', async () => {
    const driver = await ready(onMachine())
    const url = (await driver.signUrlRemotely?.('a.txt', get())) ?? ''
    expect((await fetch(url.replace('/a.txt', '/b.txt'))).status).toBe(403)
  })

  it("as the SDK's getSignedUrl does, byte for byte", async () => {
    const client = machineClient('https://storage.googleapis.com')
    const driver = await ready(onMachine({ bucket: 'acme-files' }, client))
    const at = Math.floor(Date.now() / 1000) * 1000
    const [expected] = await client
      .bucket('acme-files')
      .file('a.txt')
      .getSignedUrl({
        version: 'v4',
        action: 'read',
        accessibleAt: at,
        expires: at + 600_000,
        signingEndpoint: `${stub.endpoint}/v1/projects/-/serviceAccounts/`,
      })
    expect(await driver.signUrlRemotely?.('a.txt', get({ at }))).toBe(expected)
    expect(expected).toMatch(/^https:\/\/storage\.googleapis\.com\/acme-files\/a\.txt\?/)
  })

  it('and none without waiting', async () => {
    const driver = await ready(onMachine())
    expect(driver.signUrl).toBeUndefined()
    expect(driver.capabilities).toMatchObject({ signedUrls: false, maxExpiresIn: 43_200 })
  })

  it.each([0, 1.5, 43_201])('for 1 second to twelve hours, not %d', async expiresIn => {
    const driver = await ready(onMachine())
    const error = await errorOf(driver.signUrlRemotely!('a.txt', get({ expiresIn })))
    expect(error).toMatchObject({ code: 'ERR_CONFIG', message: expect.stringContaining('43200') })
    expect(signBlobs()).toEqual([])
  })

  it('in the name of another account where one is given', async () => {
    stub.machine = stub.stranger
    stub.tokenCreators = [{ caller: STRANGER, account: OWNER }]
    const driver = await ready(onMachine({ signingAccount: OWNER }))
    const url = (await driver.signUrlRemotely?.('a.txt', get())) ?? ''
    expect((await fetch(url)).status).toBe(404)
    expect(url).toContain(`X-Goog-Credential=${encodeURIComponent(OWNER)}`)
  })

  it('as the account that the credentials impersonate', async () => {
    stub.tokenCreators = [{ caller: STRANGER, account: OWNER }]
    const driver = await ready(onMachine({}, await impersonating(OWNER)))
    const url = (await driver.signUrlRemotely?.('a.txt', get())) ?? ''
    expect((await fetch(url)).status).toBe(404)
    stub.tokenCreators = []
    const error = await errorOf(driver.signUrlRemotely!('b.txt', get()))
    expect(error).toMatchObject({ code: 'ERR_BACKEND_DENIED', message: expect.stringContaining(OWNER) })
  })
})

/** The stranger's credentials, which stand for another account's. */
async function impersonating(email: string): Promise<Storage> {
  const client = machineClient()
  const source = { type: 'authorized_user', client_id: 'a', client_secret: 'b', refresh_token: 'c' }
  const impersonator = client.authClient.fromJSON({
    type: 'impersonated_service_account',
    service_account_impersonation_url: `https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/${email}:generateAccessToken`,
    source_credentials: source,
  } as never) as object as { sourceClient: object; endpoint: string }
  const credentials = { access_token: accessToken(stub.stranger), expiry_date: Date.now() + 3_600_000 }
  Object.assign(impersonator.sourceClient, { credentials })
  Object.assign(impersonator, { endpoint: stub.endpoint })
  return new Storage({
    apiEndpoint: stub.endpoint,
    useAuthWithCustomEndpoint: true,
    authClient: impersonator as never,
  })
}

describe('the GCS driver without a key asks IAM once', () => {
  it('for one URL, by many at the same time and later', async () => {
    const driver = await ready(onMachine())
    const request = get()
    const urls = await Promise.all(
      Array.from({ length: 20 }, () => driver.signUrlRemotely?.('a.txt', request)),
    )
    urls.push(await driver.signUrlRemotely?.('a.txt', request))
    expect(new Set(urls).size).toBe(1)
    expect(signBlobs()).toHaveLength(1)
  })

  it('again after a failure', async () => {
    const driver = await ready(onMachine())
    const request = get()
    stub.tokenCreators = []
    await errorOf(driver.signUrlRemotely!('a.txt', request))
    stub.tokenCreators = [{ caller: OWNER, account: OWNER }]
    expect(await driver.signUrlRemotely?.('a.txt', request)).toContain('X-Goog-Signature=')
  })

  it('anew for what has not been asked for the longest, after 5,000 others', async () => {
    const held = new HeldSignatures()
    const asked: string[] = []
    const ask = async (text: string) => {
      asked.push(text)
      return text
    }
    const sign = (text: string) => held.get(text, () => ask(text))
    for (let n = 0; n < 5_000; n++) await sign(`${n}`)
    await sign('0')
    await sign('one more')
    asked.length = 0
    for (const text of ['0', 'one more', '4999', '1']) await sign(text)
    expect(asked).toEqual(['1'])
  })
})

describe('the GCS driver without a key says what is wrong', () => {
  it('without the role Service Account Token Creator', async () => {
    stub.tokenCreators = []
    const driver = await ready(onMachine())
    const error = await errorOf(driver.signUrlRemotely!('a.txt', get()))
    expect(error).toMatchObject({ code: 'ERR_BACKEND_DENIED', operation: 'signUrl' })
    for (const word of ['Service Account Token Creator', 'iam.serviceAccounts.signBlob', OWNER])
      expect(error.message).toContain(word)
    expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/Bearer|X-Goog-/)
    expect(signBlobs()).toHaveLength(1)
  })

  it.each([
    { what: 'no account', machine: undefined },
    { what: 'a workload pool only', machine: { ...stub.owner, client_email: 'acme.svc.id.goog' } },
  ])('on a machine with $what', async ({ machine }) => {
    stub.machine = machine
    const driver = await ready(onMachine({ maxAttempts: 1 }))
    const error = await errorOf(driver.signUrlRemotely!('a.txt', get()))
    expect(error).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('signingAccount'),
    })
  })

  it.each([
    { what: 'IAM', path: ':signBlob' },
    { what: 'the metadata server', path: 'default/email' },
  ])('when $what does not answer', async ({ path }) => {
    stub.fault = async (req, _res, { pass }) => (req.url?.includes(path) ? undefined : pass())
    const driver = await ready(onMachine({ requestTimeout: 200, maxAttempts: 1 }))
    const error = await errorOf(driver.signUrlRemotely!('a.txt', get()))
    expect(error).toMatchObject({ code: 'ERR_BACKEND_TIMEOUT', operation: 'signUrl' })
  })

  it('but not about an answer 503 that passes', async () => {
    let failures = 1
    stub.fault = async (req, res, { pass }) => {
      if (!req.url?.includes(':signBlob') || failures-- <= 0) return pass()
      res.writeHead(503).end()
    }
    const driver = await ready(onMachine({ retryDelay: 1 }))
    expect(await driver.signUrlRemotely?.('a.txt', get())).toContain('X-Goog-Signature=')
    expect(signBlobs()).toHaveLength(2)
  })

  it('to who gives up, at once, and lets others have the signature', async () => {
    let release = () => {}
    const asked = new Promise<void>(resolve => {
      stub.fault = async (req, _res, { pass }) => {
        if (!req.url?.includes(':signBlob')) return pass()
        release = () => void pass()
        resolve()
      }
    })
    const driver = await ready(onMachine())
    const stop = new AbortController()
    const request = get()
    const impatient = errorOf(driver.signUrlRemotely!('a.txt', { ...request, signal: stop.signal }))
    const patient = driver.signUrlRemotely!('a.txt', request)
    await asked
    stop.abort()
    expect(await impatient).toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
    release()
    expect(await patient).toContain('X-Goog-Signature=')
    expect(signBlobs()).toHaveLength(1)
  })

  it('has nothing to ask on an emulator, or where a key signs', async () => {
    const emulator = await ready(new GcsDriver({ bucket: 'bucket', endpoint: stub.endpoint }))
    const withHmac = await ready(onMachine({ hmac: stub.hmac }))
    for (const driver of [emulator, withHmac]) expect(driver.signUrlRemotely).toBeUndefined()
  })

  it.each([
    { what: 'an account that is no e-mail', options: { signingAccount: 'acme' } },
    { what: 'an endpoint that is no URL', options: { iamEndpoint: 'iam.internal' } },
  ])('about $what', ({ options }) => {
    expect(() => onMachine(options)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  })
})

describe('a storage on Google Cloud without a key', () => {
  const RULES = { disk: 'media', folder: 'order_files', accept: ['text/plain'] }
  let storage: TenantStorage
  beforeEach(async () => {
    storage = createStorage({
      secret: 'a secret that is long enough',
      baseUrl: '/files',
      backends: { gcs: onMachine({ bucket: stub.createBucket() }) },
    })
    await storage.ready()
  })
  const store = (name: string) =>
    asAcme(() => storeFile(storage, Buffer.from('hello'), RULES, { name: `${name}.txt` }))

  it("gives the bucket's address to those who wait, and that of serveFiles to the others", async () => {
    const file = await store('a')
    const [url, signed] = await asAcme(async () => [file.url, await file.signedUrl()])
    expect(url).toMatch(/^\/files\/gcs\/media\/acme\/order_files\//)
    expect(signed).toMatch(new RegExp(`^${stub.endpoint}/stub-\\d+/media/acme/order_files/`))
    expect(await (await fetch(signed ?? '')).text()).toBe('hello')
  })

  it('gives the address of serveFiles to those who want it for longer than IAM can sign', async () => {
    const file = await store('a')
    const url = await asAcme(() => file.signedUrl({ expiresIn: 86_400 }))
    expect(url).toMatch(/^\/files\/gcs\//)
  })

  it('asks IAM once for each of 50 files, and not again', async () => {
    const files = await Promise.all(Array.from({ length: 50 }, (_, n) => store(`${n}`)))
    const sign = () => asAcme(() => storage.disk('media').signMany(files, { expiresIn: 43_200 }))
    const first = await sign()
    expect(signBlobs()).toHaveLength(50)
    expect(await sign()).toEqual(first)
    expect(signBlobs()).toHaveLength(50)
    expect(new Set(first).size).toBe(50)
  })
})
