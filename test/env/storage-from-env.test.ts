import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { onStorageEvent, runWithTenant, StorageError } from '../../src/core/index.js'
import { storageFromEnv } from '../../src/env/index.js'
import { tempDir } from '../support/temp-dir.js'

const STORAGE_URL_SECRET = 'a secret of more than sixteen characters'
const S3 = { STORAGE_BACKEND: 's3', STORAGE_URL_SECRET, AWS_STORAGE_BUCKET_NAME: 'files' }
const KEYS = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'the-secret-access-key' }
const AZURE = {
  STORAGE_BACKEND: 'azure',
  STORAGE_URL_SECRET,
  AZURE_ACCOUNT_NAME: 'account1',
  AZURE_ACCOUNT_KEY: Buffer.from('the account key').toString('base64'),
  AZURE_CONTAINER: 'files',
}
const GCS = { STORAGE_BACKEND: 'gcs', STORAGE_URL_SECRET, GS_BUCKET_NAME: 'files' }

/** The path of a key file as the Google Cloud console gives it out, with a key made up here. */
function serviceAccount(): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const account = {
    type: 'service_account',
    project_id: 'project',
    client_email: 'desk@project.iam.gserviceaccount.com',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  }
  const file = path.join(tempDir(), 'key.json')
  writeFileSync(file, JSON.stringify(account))
  return file
}

function failureOf(env: Record<string, string>): StorageError {
  try {
    storageFromEnv({}, env)
  } catch (error) {
    if (StorageError.is(error)) return error
  }
  throw new Error('storageFromEnv did not refuse this environment')
}

function warningsOf(env: Record<string, string>): string[] {
  const codes: string[] = []
  const stop = onStorageEvent('warning', ({ code }) => codes.push(code))
  storageFromEnv({}, env)
  stop()
  return codes
}

describe('storageFromEnv', () => {
  it('keeps files on the local disk when no backend is named', async () => {
    const root = tempDir()
    const storage = storageFromEnv({}, { STORAGE_URL_SECRET, MEDIA_ROOT: root })
    await storage.ready()
    const url = await runWithTenant('acme', async () => {
      const address = await storage
        .disk('media')
        .put('notes/a.txt', Buffer.from('hello'), { contentType: 'text/plain' })
      return storage.disk('media').url(address)
    })
    expect(storage.backendNames).toEqual(['local'])
    expect(url).toMatch(/^\/files\/local\/media\/acme\/notes\/a\.txt\?expires=/)
  })

  it('refuses the folder of another environment', async () => {
    const env = { STORAGE_URL_SECRET, MEDIA_ROOT: tempDir() }
    await storageFromEnv({}, { ...env, STORAGE_ENVIRONMENT: 'production' }).ready()
    const staging = storageFromEnv({}, { ...env, STORAGE_ENVIRONMENT: 'staging' })
    await expect(staging.ready()).rejects.toMatchObject({ code: 'ERR_ENVIRONMENT_MISMATCH' })
  })

  it('signs with the first of several secrets and verifies with all of them', async () => {
    const old = storageFromEnv({}, { STORAGE_URL_SECRET })
    const rotated = storageFromEnv(
      {},
      { STORAGE_URL_SECRET: `a new secret of some length,${STORAGE_URL_SECRET}` },
    )
    const tail = '/local/static/css/site.css'
    await old.ready()
    await rotated.ready()
    const signed = old.disk('static').signedUrl('css/site.css').replace('/files', '')
    expect(rotated.verifyUrl(signed).address.key).toBe('css/site.css')
    expect(rotated.verifyUrl(tail).expires).toBeUndefined()
  })

  it.each([
    ['s3', 's3'],
    ['do_spaces', 'spaces'],
  ])('writes to %s, and reads the local disk beside it where MEDIA_ROOT is set', (backend, name) => {
    const env = { ...S3, ...KEYS, STORAGE_BACKEND: backend }
    expect(storageFromEnv({}, env).backendNames).toEqual([name])
    expect(storageFromEnv({}, { ...env, MEDIA_ROOT: 'somewhere' }).backendNames).toEqual(['local', name])
  })

  it('signs S3 URLs without waiting once it is ready', async () => {
    const storage = storageFromEnv({}, { ...S3, ...KEYS, AWS_S3_REGION_NAME: 'eu-central-1' })
    await storage.ready()
    const url = runWithTenant('acme', () => storage.disk('media').signedUrl('a.pdf'))
    expect(url).toMatch(
      /^https:\/\/files\.s3\.eu-central-1\.amazonaws\.com\/media\/acme\/a\.pdf\?.*X-Amz-Signature=/,
    )
    await storage.close()
  })

  it('signs Spaces URLs for the datacenter, with the bucket in the host', async () => {
    const storage = storageFromEnv(
      {},
      { ...S3, ...KEYS, STORAGE_BACKEND: 'do_spaces', DO_SPACES_REGION: 'fra1' },
    )
    await storage.ready()
    const url = runWithTenant('acme', () => storage.disk('media').signedUrl('a.pdf'))
    expect(url).toMatch(
      /^https:\/\/files\.fra1\.digitaloceanspaces\.com\/media\/acme\/a\.pdf\?.*X-Amz-Signature=/,
    )
    await storage.close()
  })

  it('signs Spaces URLs for the bucket and sends downloads to its CDN, without a warning', async () => {
    const env = {
      ...{ ...S3, ...KEYS, STORAGE_BACKEND: 'do_spaces' },
      DO_SPACES_CDN_ENDPOINT: 'files.nyc3.cdn.digitaloceanspaces.com',
    }
    const storage = storageFromEnv({}, env)
    await storage.ready()
    const url = runWithTenant('acme', () => storage.disk('media').signedUrl('a.pdf'))
    expect(url).toMatch(/^https:\/\/files\.nyc3\.cdn\.digitaloceanspaces\.com\/media\/acme\/a\.pdf\?/)
    expect(warningsOf(env)).toEqual([])
    await storage.close()
  })

  it('signs Azure URLs for the container of the account', async () => {
    const storage = storageFromEnv({}, AZURE)
    await storage.ready()
    const url = runWithTenant('acme', () => storage.disk('media').signedUrl('a.pdf'))
    expect(url).toMatch(/^https:\/\/account1\.blob\.core\.windows\.net\/files\/media\/acme\/a\.pdf\?.*sig=/)
    await storage.close()
  })

  it.each([
    ['the key of the service account', {}, 'GOOG4-RSA-SHA256'],
    [
      'an HMAC key, where there is one',
      { GS_HMAC_ACCESS_KEY_ID: 'GOOG1EXAMPLE', GS_HMAC_SECRET: 'the-hmac-secret' },
      'GOOG4-HMAC-SHA256',
    ],
  ])('signs Google Cloud URLs with %s', async (_what, more, algorithm) => {
    const storage = storageFromEnv({}, { ...GCS, ...more, GOOGLE_APPLICATION_CREDENTIALS: serviceAccount() })
    await storage.ready()
    const url = runWithTenant('acme', () => storage.disk('media').signedUrl('a.pdf'))
    expect(url).toMatch(/^https:\/\/storage\.googleapis\.com\/files\/media\/acme\/a\.pdf\?/)
    expect(url).toContain(`X-Goog-Algorithm=${algorithm}&`)
    await storage.close()
  })

  it.each<[string, string[], Record<string, string>?]>([
    ['azure', ['AZURE_CONTAINER', 'AZURE_ACCOUNT_NAME', 'AZURE_ACCOUNT_KEY']],
    ['gcs', ['GS_BUCKET_NAME']],
    ['gcs', ['GS_BUCKET_NAME', 'GS_HMAC_SECRET'], { GS_HMAC_ACCESS_KEY_ID: 'GOOG1EXAMPLE' }],
  ])('names all that is missing for %s', (backend, names, more = {}) => {
    const { message } = failureOf({ STORAGE_BACKEND: backend, STORAGE_URL_SECRET, ...more })
    for (const name of names) expect(message).toContain(`${name} is missing`)
    expect(message.match(/is missing/g)).toHaveLength(names.length)
  })

  it.each<[string, Record<string, string>, string[]]>([
    [
      'local',
      { STORAGE_URL_SECRET: 'abc', STORAGE_ENVIRONMENT: 'a b', MEDIA_URL: 'files' },
      [
        'STORAGE_URL_SECRET must be one or more secrets of at least 16 characters, separated by commas. Make one with: openssl rand -base64 32',
        'STORAGE_ENVIRONMENT must be a word such as production, staging or development',
        'MEDIA_URL must be a path such as /files, or an http(s) address',
      ],
    ],
    [
      's3',
      { STORAGE_URL_SECRET, AWS_STORAGE_BUCKET_NAME: 's3://files', AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE' },
      [
        'AWS_STORAGE_BUCKET_NAME must be a name alone, without a scheme, a host or a path',
        'AWS_SECRET_ACCESS_KEY is missing: the two AWS keys go together, or both stay away',
      ],
    ],
    [
      'do_spaces',
      { STORAGE_URL_SECRET, DO_SPACES_REGION: 'NYC', AWS_STORAGE_BUCKET_NAME: 'files' },
      [
        'DO_SPACES_REGION must be the slug of a datacenter, for example nyc3',
        'AWS_ACCESS_KEY_ID is missing: Spaces knows no roles, only keys',
        'AWS_SECRET_ACCESS_KEY is missing: Spaces knows no roles, only keys',
      ],
    ],
    [
      'azure',
      {
        STORAGE_URL_SECRET,
        AZURE_ACCOUNT_NAME: 'Acme.Files',
        AZURE_ACCOUNT_KEY: 'a key?',
        AZURE_ENDPOINT_URL: 'acme',
      },
      [
        'AZURE_ACCOUNT_NAME must be the name of a storage account: 3 to 24 small letters and digits',
        'AZURE_ACCOUNT_KEY must be base64, as the portal shows it',
        'AZURE_ENDPOINT_URL must be the http(s) address of a storage account',
        'AZURE_CONTAINER is missing: the container that holds the files',
      ],
    ],
    [
      'gcs',
      { GS_BUCKET_NAME: 'gs://files', GS_HMAC_SECRET: 'the-hmac-secret', GS_ENDPOINT_URL: 'ftp://x' },
      [
        'STORAGE_URL_SECRET is missing: it signs the URLs of private files. Make one with: openssl rand -base64 32',
        'GS_BUCKET_NAME must be a name alone, without a scheme, a host or a path',
        'GS_ENDPOINT_URL must be the http(s) address of a server of Google Cloud Storage',
        'GS_HMAC_ACCESS_KEY_ID is missing: the two HMAC values go together',
      ],
    ],
  ])('says all that is wrong for %s at once, a line for each', (backend, env, lines) => {
    const { code, message } = failureOf({ STORAGE_BACKEND: backend, ...env })
    expect(code).toBe('ERR_CONFIG')
    expect(message.split('\n')).toEqual([
      'The storage cannot be set up from the environment:',
      ...lines.map(line => `  ${line}`),
    ])
  })

  it('says that it is not ready before ready() loaded the driver', () => {
    const storage = storageFromEnv({}, { STORAGE_URL_SECRET })
    const sign = () => runWithTenant('acme', () => storage.disk('media').signedUrl('a.pdf'))
    expect(sign).toThrow(expect.objectContaining({ code: 'ERR_NOT_READY', status: 503 }))
  })

  it('names everything that is wrong in one error', () => {
    const error = failureOf({
      STORAGE_BACKEND: 's3',
      AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
      AWS_S3_ENDPOINT_URL: 'ftp://x',
    })
    expect(error.code).toBe('ERR_CONFIG')
    expect(error.message).toContain('STORAGE_URL_SECRET is missing')
    expect(error.message).toContain('AWS_S3_ENDPOINT_URL must be the http(s) address')
    expect(error.message).toContain('AWS_STORAGE_BUCKET_NAME is missing')
    expect(error.message).toContain('AWS_SECRET_ACCESS_KEY is missing')
  })

  it('names a missing bucket and half a pair of keys together', () => {
    const { message } = failureOf({
      STORAGE_BACKEND: 's3',
      STORAGE_URL_SECRET,
      AWS_SECRET_ACCESS_KEY: 'the-secret-access-key',
    })
    expect(message).toContain('AWS_STORAGE_BUCKET_NAME is missing')
    expect(message).toContain('AWS_ACCESS_KEY_ID is missing')
  })

  it('asks for both keys on Spaces, which knows no roles', () => {
    const { message } = failureOf({ ...S3, STORAGE_BACKEND: 'do_spaces' })
    expect(message).toContain('AWS_ACCESS_KEY_ID is missing: Spaces knows no roles')
    expect(message).toContain('AWS_SECRET_ACCESS_KEY is missing')
  })

  it('needs no keys on S3: a role serves as well', () => {
    expect(storageFromEnv({}, S3).backendNames).toEqual(['s3'])
  })

  it.each([
    ['STORAGE_BACKEND', { STORAGE_BACKEND: 'ftp', STORAGE_URL_SECRET }],
    ['STORAGE_URL_SECRET', { STORAGE_URL_SECRET: 'short' }],
    ['STORAGE_URL_SECRET', { STORAGE_URL_SECRET: `${STORAGE_URL_SECRET},short` }],
    ['STORAGE_URL_SECRET', { STORAGE_URL_SECRET: '   ' }],
    ['STORAGE_ENVIRONMENT', { STORAGE_URL_SECRET, STORAGE_ENVIRONMENT: 'the real one' }],
    ['MEDIA_URL', { STORAGE_URL_SECRET, MEDIA_URL: 'files' }],
    ['DO_SPACES_REGION', { STORAGE_URL_SECRET, DO_SPACES_REGION: 'New York' }],
    ['DO_SPACES_CDN_ENDPOINT', { STORAGE_URL_SECRET, DO_SPACES_CDN_ENDPOINT: 'https://cdn.example/files' }],
    [
      'AWS_S3_ADDRESSING_STYLE must not be path beside DO_SPACES_CDN_ENDPOINT',
      {
        ...{ ...S3, ...KEYS, STORAGE_BACKEND: 'do_spaces' },
        ...{ DO_SPACES_CDN_ENDPOINT: 'cdn.example', AWS_S3_ADDRESSING_STYLE: 'path' },
      },
    ],
    ['AWS_S3_ADDRESSING_STYLE', { STORAGE_URL_SECRET, AWS_S3_ADDRESSING_STYLE: 'host' }],
    ['USE_S3', { STORAGE_URL_SECRET, USE_S3: 'perhaps' }],
  ])('refuses a wrong %s, by name', (name, env) => {
    const error = failureOf(env)
    expect(error.code).toBe('ERR_CONFIG')
    expect(error.message).toContain(name)
  })

  it('never prints a value that may be secret', () => {
    const env = { ...S3, STORAGE_URL_SECRET: 'tooshort', AWS_SECRET_ACCESS_KEY: 'the-secret-access-key' }
    const text = JSON.stringify(failureOf(env)) + failureOf(env).message + failureOf(env).stack
    expect(text).not.toContain('tooshort')
    expect(text).not.toContain('the-secret-access-key')
  })

  it('treats empty text as unset', () => {
    expect(
      storageFromEnv({}, { STORAGE_URL_SECRET, STORAGE_BACKEND: '', AWS_ACCESS_KEY_ID: '' }).backendNames,
    ).toEqual(['local'])
  })

  it('takes USE_S3=true as s3, with a word of warning', () => {
    const { STORAGE_BACKEND: _, ...env } = S3
    expect(warningsOf({ ...env, USE_S3: 'true' })).toEqual(['ENV_USE_S3_DEPRECATED'])
    expect(storageFromEnv({}, { ...env, USE_S3: 'true' }).backendNames).toEqual(['s3'])
  })
})

describe('a CDN in the environment', () => {
  const privateKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  })
  const CLOUDFRONT = {
    AWS_S3_CUSTOM_DOMAIN: 'files.acme.example',
    CLOUDFRONT_KEY_PAIR_ID: 'K2JCJMDEHXQW5F',
    CLOUDFRONT_PRIVATE_KEY: String(privateKey),
  }

  /** The addresses of a public and of a private file, without their queries. */
  async function addressesWith(env: Record<string, string>): Promise<[string, string]> {
    const storage = storageFromEnv({}, env)
    await storage.ready()
    const urls = await runWithTenant(
      'acme',
      async (): Promise<[string, string]> => [
        storage.disk('public-media').url('a.png'),
        storage.disk('media').url('a.pdf'),
      ],
    )
    await storage.close()
    return urls
  }

  it('that CloudFront is serves public files at once, and private ones by its own signature', async () => {
    for (const CLOUDFRONT_PRIVATE_KEY of [String(privateKey), String(privateKey).replaceAll('\n', '\\n')]) {
      const [open, closed] = await addressesWith({ ...S3, ...KEYS, ...CLOUDFRONT, CLOUDFRONT_PRIVATE_KEY })
      expect(open).toBe('https://files.acme.example/public-media/acme/a.png')
      expect(closed).toMatch(
        /^https:\/\/files\.acme\.example\/media\/acme\/a\.pdf\?.*&Key-Pair-Id=K2JCJMDEHXQW5F&/,
      )
    }
  })

  it('without a key for CloudFront leaves private files to the signature of the bucket', async () => {
    const { AWS_S3_CUSTOM_DOMAIN } = CLOUDFRONT
    const [open, closed] = await addressesWith({ ...S3, ...KEYS, AWS_S3_CUSTOM_DOMAIN })
    expect(open).toBe('https://files.acme.example/public-media/acme/a.png')
    expect(closed).toMatch(/^https:\/\/files\.s3\.[^/]+\/media\/acme\/a\.pdf\?.*X-Amz-Signature=/)
  })

  it('of Spaces serves both', async () => {
    const cdn = 'files.nyc3.cdn.digitaloceanspaces.com'
    const env = { ...S3, ...KEYS, STORAGE_BACKEND: 'do_spaces', DO_SPACES_CDN_ENDPOINT: cdn }
    const [open, closed] = await addressesWith(env)
    expect(open).toBe(`https://${cdn}/public-media/acme/a.png`)
    expect(closed).toContain(`https://${cdn}/media/acme/a.pdf?X-Amz-`)
  })

  it('of Azure serves both', async () => {
    const [open, closed] = await addressesWith({ ...AZURE, AZURE_CUSTOM_DOMAIN: 'files.acme.example' })
    expect(open).toBe('https://files.acme.example/files/public-media/acme/a.png')
    expect(closed).toMatch(/^https:\/\/files\.acme\.example\/files\/media\/acme\/a\.pdf\?sv=/)
  })

  it('is no business of a disk that the application serves by itself', async () => {
    const { AWS_S3_CUSTOM_DOMAIN } = CLOUDFRONT
    const own = { location: 'own', visibility: 'public', tenancy: 'none', serve: 'proxy' } as const
    const storage = storageFromEnv({ disks: { own } }, { ...S3, ...KEYS, AWS_S3_CUSTOM_DOMAIN })
    await storage.ready()
    expect(storage.disk('own').url('a.png')).toBe('/files/s3/own/a.png')
    await storage.close()
  })

  it('is no business of another backend, and not of a disk that says so itself', async () => {
    const { AWS_S3_CUSTOM_DOMAIN } = CLOUDFRONT
    const own = { location: 'media', visibility: 'public', tenancy: 'none', cdn: { mode: 'none' } } as const
    const storage = storageFromEnv({ disks: { own } }, { ...S3, ...KEYS, AWS_S3_CUSTOM_DOMAIN })
    await storage.ready()
    expect(storage.disk('own').url('a.png')).toBe('/files/s3/media/a.png')
    await storage.close()
    const [open] = await addressesWith({ STORAGE_URL_SECRET, MEDIA_ROOT: tempDir(), AWS_S3_CUSTOM_DOMAIN })
    expect(open).toBe('/files/local/public-media/acme/a.png')
  })

  it.each([
    ['half a pair', { ...CLOUDFRONT, CLOUDFRONT_PRIVATE_KEY: '' }, 'CLOUDFRONT_PRIVATE_KEY is missing'],
    ['a key without a host', { ...CLOUDFRONT, AWS_S3_CUSTOM_DOMAIN: '' }, 'AWS_S3_CUSTOM_DOMAIN is missing'],
    [
      'what is no key',
      { ...CLOUDFRONT, CLOUDFRONT_PRIVATE_KEY: 'c2VjcmV0' },
      'CLOUDFRONT_PRIVATE_KEY must be',
    ],
    ['a host with a path', { AWS_S3_CUSTOM_DOMAIN: 'acme.example/files' }, 'AWS_S3_CUSTOM_DOMAIN must be'],
  ])('is refused for %s, and the key is not repeated', (_, env, message) => {
    const error = failureOf({ ...S3, ...env })
    expect(error.message).toContain(message)
    expect(error.message).not.toContain('c2VjcmV0')
  })
})

it.each([
  ['that belongs to createStorage and would be overruled', { writeTo: 'local' }],
  ['that is misspelt', { disk: {} }],
  ['that is the environment in the wrong place', { STORAGE_URL_SECRET }],
])('an option %s is refused', (_name, options) => {
  const [name = ''] = Object.keys(options)
  const create = () => storageFromEnv(options as object, { STORAGE_URL_SECRET })
  expect(create).toThrow(
    `There is no option "${name}" of storageFromEnv(). Options: disks, urls, uploads, ledgerOf.`,
  )
})
