import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Driver } from '../../src/core/driver.js'
import { StorageError } from '../../src/core/errors.js'
import { createStorage, runWithTenant, type Storage } from '../../src/core/index.js'
import { mintStoredFile } from '../../src/core/stored-file.js'
import { AzureDriver } from '../../src/drivers/azure/index.js'
import { GcsDriver } from '../../src/drivers/gcs/index.js'
import { LocalDriver } from '../../src/drivers/local/index.js'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { tempDir } from '../support/temp-dir.js'

interface Backend {
  name: string
  driver: () => Driver
  /** What stands in front of the object key. */
  base: string
  signature: string
  disposition: string
  type: string
}

const s3Headers = { disposition: 'response-content-disposition', type: 'response-content-type' }
const privateKey = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString()
const BACKENDS: Backend[] = [
  {
    name: 's3',
    driver: () =>
      new S3Driver({
        bucket: 'acme-files',
        region: 'eu-west-1',
        credentials: { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret' },
      }),
    base: 'https://acme-files.s3.eu-west-1.amazonaws.com/',
    signature: 'X-Amz-Signature',
    ...s3Headers,
  },
  {
    name: 'azure',
    driver: () => new AzureDriver({ container: 'files', accountName: 'acme', accountKey: 'c2VjcmV0' }),
    base: 'https://acme.blob.core.windows.net/files/',
    signature: 'sig',
    disposition: 'rscd',
    type: 'rsct',
  },
  {
    name: 'gcs',
    driver: () =>
      new GcsDriver({
        bucket: 'acme-files',
        credentials: { client_email: 'desk@acme.example', private_key: privateKey },
        hmac: { accessId: 'GOOG1E', secret: 'secret' },
      }),
    base: 'https://storage.googleapis.com/acme-files/',
    signature: 'X-Goog-Signature',
    ...s3Headers,
  },
  {
    name: 'local',
    driver: () => new LocalDriver({ root: tempDir() }),
    base: 'https://app.example/files/local/',
    signature: 'signature',
    disposition: 'disposition',
    type: 'type',
  },
]

const ME = 'acme'
const odd = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('..', '.', '', '%2e%2e', '%2F', '..%2f', 'acme', 'acme-corp', 'other', 'shared', 'media'),
  fc.constantFrom(
    '?',
    '#',
    '&',
    '=',
    '+',
    ' ',
    '"',
    "'",
    ';',
    '*',
    '\\',
    '\r\n',
    '\u2028',
    '\ud800',
    '\u202e',
  ),
)
const path = fc.array(odd, { minLength: 1, maxLength: 6 }).map(parts => parts.join('/'))
const text = fc.array(odd, { maxLength: 6 }).map(parts => parts.join(''))
const key = fc.oneof(path, text, fc.constant('order_files/0192f0c1.pdf'))
const tenant = fc.oneof(
  { weight: 3, arbitrary: fc.constant(ME) },
  fc.constantFrom('acme-corp', 'other'),
  text,
  path,
)
const type = fc.constantFrom('application/pdf', 'text/html', 'image/svg+xml', 'text/xml', 'text/plain')
const file = fc.record({ tenant, key, name: text, type })
const request = fc.record(
  { filename: text, disposition: fc.constantFrom('inline' as const, 'attachment' as const) },
  { requiredKeys: [] },
)

/** RFC 6266, with a quoted name in plain ASCII or none, and perhaps the true one (RFC 8187). */
const DISPOSITION =
  /^(inline|attachment)(; filename="[ !#-[\]-~]*"(; filename\*=UTF-8''[\w!#$&+.^`|~%-]*)?)?$/

describe.each(BACKENDS)(
  'signed URLs of files on $name',
  ({ name, driver, base, signature, disposition, type: typeName }) => {
    let storage: Storage
    beforeAll(async () => {
      const baseUrl = 'https://app.example/files'
      storage = createStorage({ secret: 'only for tests, and long', baseUrl, backends: { [name]: driver() } })
      await storage.ready()
    })

    type File = typeof file extends fc.Arbitrary<infer F> ? F : never
    const address = (of: File) => ({ disk: 'media', backend: name, ...of, size: 1, sha256: null })

    /** All ways to a URL, as the tenant ME; undefined where there is none, for a reason of ours. */
    const urlsOf = (of: File, asked: typeof request extends fc.Arbitrary<infer R> ? R : never) =>
      [
        () => mintStoredFile({ home: storage }, address(of)).url,
        () => storage.disk('media').signedUrl(address(of), asked),
        () => storage.disk('media').url(address(of)),
        () => storage.disk('media').signedUrl(of.key, asked),
      ].map(make => {
        try {
          return runWithTenant(ME, make)
        } catch (error) {
          if (StorageError.is(error)) return undefined
          throw error
        }
      })

    it('lead to the object of the tenant who asked and to no other, whatever key and tenant say', () => {
      let made = 0
      fc.assert(
        fc.property(file, request, (of, asked) => {
          for (const url of urlsOf(of, asked)) {
            if (url === undefined) continue
            made++
            const objectPath = url.slice(base.length, url.indexOf('?'))
            expect(url.startsWith(base)).toBe(true)
            // Nothing for a browser to tidy up: no "..", and no other way to write it.
            expect(new URL(url).href).toBe(url)
            expect(objectPath.split('/').map(decodeURIComponent).join('/')).toBe(`media/${ME}/${of.key}`)
          }
        }),
        { numRuns: 1_000 },
      )
      expect(made).toBeGreaterThan(300)
    })

    it('are never made for the file of another tenant', () => {
      fc.assert(
        fc.property(file, request, (of, asked) => {
          fc.pre(of.tenant !== ME)
          const [first, second, third] = urlsOf(of, asked)
          expect([first, second, third]).toEqual([undefined, undefined, undefined])
        }),
      )
    })

    it('are signed, each of them', () => {
      fc.assert(
        fc.property(file, request, (of, asked) => {
          for (const url of urlsOf(of, asked)) {
            if (url !== undefined)
              expect(new URL(url).searchParams.getAll(signature)).toEqual([expect.stringMatching(/./)])
          }
        }),
      )
    })

    it('put no line break, and no header of their own, into the answer, whatever the name', () => {
      fc.assert(
        fc.property(file, request, (of, asked) => {
          for (const url of urlsOf({ ...of, tenant: ME, key: 'order_files/1.pdf' }, asked)) {
            if (url === undefined) continue
            const { searchParams } = new URL(url)
            expect(searchParams.getAll(disposition).length).toBeLessThan(2)
            for (const value of searchParams.getAll(disposition)) expect(value).toMatch(DISPOSITION)
            for (const value of searchParams.values()) expect(value).toMatch(/^[\x20-\x7e]*$/)
          }
        }),
        { numRuns: 500 },
      )
    })

    it('never show in the window what a browser would run', () => {
      fc.assert(
        fc.property(
          file,
          request,
          fc.constantFrom('text/html', 'image/svg+xml', 'text/xml'),
          (of, asked, active) => {
            const [first, second] = urlsOf({ ...of, tenant: ME, key: 'a/1', type: active }, asked)
            for (const url of [first, second]) {
              const { searchParams } = new URL(url!)
              expect(searchParams.get(disposition)).toMatch(/^attachment;/)
              expect(searchParams.get(typeName)).toContain(active)
            }
          },
        ),
      )
    })
  },
)
