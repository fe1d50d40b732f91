import { generateKeyPairSync } from 'node:crypto'
import { Storage } from '@google-cloud/storage'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { SignUrlOptions } from '../../../src/core/driver.js'
import { isObjectKey } from '../../../src/core/key.js'
import { GcsDriver } from '../../../src/drivers/gcs/index.js'
import { rsaKey } from '../../../src/drivers/gcs/signing-key.js'
import { UrlSigner } from '../../../src/drivers/gcs/url-signer.js'

const KEYS = 300
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const credentials = {
  client_email: 'files+odd@acme.iam.gserviceaccount.com',
  private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
}
const ACTIONS = { GET: 'read', PUT: 'write', DELETE: 'delete' } as const

/** Deterministic, so that a failure can be repeated. */
function oddKeys(count: number): string[] {
  const odd = [
    ...Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)),
    ...['é', 'u\u0308', 'ß', '日本', 'ф', '😀', '👩\u200d👧', '𝒳', '\u200b', '\ufeff'],
    ...['%20', '%2F', '%2e%2e', '%zz', '+', '~', "!'()*", 'x/..y/z', '{{projectId}}'],
  ]
  let state = 42
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  return Array.from({ length: count }, (_, index) => {
    if (index % 5 === 0) return `media/acme/order_files/0192f0c1-${index}.pdf`
    return `a${Array.from({ length: 1 + random(24) }, () => odd[random(odd.length)]).join('')}`
  }).filter(isObjectKey)
}

function requestFor(index: number, method: keyof typeof ACTIONS): SignUrlOptions {
  const headers = {
    contentDisposition: `attachment; filename="a (${index}).pdf"; filename*=UTF-8''%C3%A9`,
    contentType: 'application/pdf; a=b',
    cacheControl: 'private, max-age=3600',
  }
  return {
    method,
    at: Date.UTC(2026, 10, 20 + (index % 3), 23, 59, index % 60, index % 1000),
    expiresIn: 1 + ((index * 7_919) % 604_800),
    ...(method === 'GET' && index % 3 === 0 ? headers : {}),
    ...(method === 'GET' && index % 7 === 0 ? { contentType: 'text/html' } : {}),
  }
}

async function bySdk(storage: Storage, key: string, request: SignUrlOptions): Promise<string> {
  if (request.method === 'HEAD') throw new Error('the SDK signs no HEAD')
  const { cacheControl, contentDisposition, contentType } = request
  const accessibleAt = Math.floor(request.at / 1000) * 1000
  const [url] = await storage
    .bucket('acme-files')
    .file(key)
    .getSignedUrl({
      version: 'v4',
      action: ACTIONS[request.method],
      accessibleAt,
      expires: accessibleAt + request.expiresIn * 1000,
      ...(contentDisposition === undefined ? {} : { responseDisposition: contentDisposition }),
      ...(contentType === undefined ? {} : { responseType: contentType }),
      ...(cacheControl === undefined ? {} : { queryParams: { 'response-cache-control': cacheControl } }),
    })
  return url
}

describe("the URL signer of GCS gives the SDK's URLs, byte for byte", () => {
  // The SDK refuses to sign what has expired already.
  beforeEach(() => vi.useFakeTimers({ now: Date.UTC(2026, 10, 20), toFake: ['Date'] }))
  afterEach(() => vi.useRealTimers())

  it.each([
    { what: "Google's endpoint", endpoint: undefined },
    { what: 'a private endpoint with a port', endpoint: 'http://storage.internal.example:8080' },
  ])(`for ${KEYS} odd keys: $what`, async ({ endpoint }) => {
    const storage = new Storage({ credentials, ...(endpoint === undefined ? {} : { apiEndpoint: endpoint }) })
    const signer = new UrlSigner(storage.apiEndpoint, 'acme-files', rsaKey(credentials))
    const keys = oddKeys(2 * KEYS).slice(0, KEYS)
    expect(keys).toHaveLength(KEYS)
    for (const [index, key] of keys.entries()) {
      const method = (['GET', 'GET', 'PUT', 'DELETE'] as const)[index % 4]!
      const request = requestFor(index, method)
      expect(signer.sign(key, request), key).toBe(await bySdk(storage, key, request))
    }
  })
})

describe('signed URLs of the GCS driver', () => {
  const at = Date.UTC(2026, 10, 20)

  it('need no waiting with credentials or an HMAC key', () => {
    const byKey = new GcsDriver({ bucket: 'acme-files', credentials })
    const byHmac = new GcsDriver({ bucket: 'acme-files', hmac: { accessId: 'GOOG1E', secret: 'secret' } })
    for (const driver of [byKey, byHmac]) {
      expect(driver.capabilities).toMatchObject({ signedUrls: true, maxExpiresIn: 604_800 })
      expect(driver.signUrl?.('a.txt', { method: 'GET', expiresIn: 60, at })).toMatch(
        /^https:\/\/storage\.googleapis\.com\/acme-files\/a\.txt\?X-Goog-Algorithm=GOOG4-/,
      )
    }
  })

  it('are made with the HMAC key where there are both', () => {
    const hmac = { accessId: 'GOOG1E', secret: 'secret' }
    const driver = new GcsDriver({ bucket: 'acme-files', credentials, hmac })
    const url = driver.signUrl?.('a.txt', { method: 'GET', expiresIn: 60, at })
    expect(url).toContain('X-Goog-Algorithm=GOOG4-HMAC-SHA256&X-Goog-Credential=GOOG1E%2F20261120%2Fauto')
  })

  it.each([0, -1, 1.5, 604_801, Number.NaN])('live 1 second to a week, not %d', expiresIn => {
    const driver = new GcsDriver({ bucket: 'acme-files', credentials })
    expect(() => driver.signUrl?.('a.txt', { method: 'GET', expiresIn, at })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG' }),
    )
  })
})
