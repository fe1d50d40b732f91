import { z } from 'zod'
import { StorageError } from '../core/errors.js'

/** The environment as text; `process.env` is one. */
export type Environment = Readonly<Record<string, string | undefined>>

const MIN_SECRET_LENGTH = 16
/** How the secret of the files in examples/env begins. */
const PLACEHOLDER = 'replace-me'

const url = (what: string) => z.url({ protocol: /^https?$/, error: `must be the http(s) address of ${what}` })

/** No address. Which characters a name may have is the business of its service; the ARN of an access point is one. */
const bucket = z
  .string()
  .regex(/^(arn:\S+|[^\s/?#]+)$/, 'must be a name alone, without a scheme, a host or a path')

const host = (what: string) =>
  z.string().regex(/^(https:\/\/)?[A-Za-z0-9.-]+(:[0-9]+)?\/?$/, `must be the host of ${what}`)

const secrets = z
  .string({ error: 'is missing: it signs the URLs of private files. Make one with: openssl rand -base64 32' })
  .transform(list => list.split(',').map(secret => secret.trim()))
  .refine(list => !list.some(secret => secret.startsWith(PLACEHOLDER)), {
    error:
      'still holds the text of the example, which everybody can read. Make one with: openssl rand -base64 32',
  })
  .refine(list => list.every(secret => secret.length >= MIN_SECRET_LENGTH), {
    error: `must be one or more secrets of at least ${MIN_SECRET_LENGTH} characters, separated by commas. Make one with: openssl rand -base64 32`,
  })

/** What STORAGE_BACKEND may say. */
const BACKENDS = ['local', 's3', 'do_spaces', 'azure', 'gcs'] as const

const schema = z.object({
  STORAGE_BACKEND: z.enum(BACKENDS, { error: `must be one of: ${BACKENDS.join(', ')}` }).optional(),
  USE_S3: z.enum(['true', 'false', '1', '0', 'True', 'False'], { error: 'must be true or false' }).optional(),
  STORAGE_URL_SECRET: secrets,
  STORAGE_ENVIRONMENT: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be a word such as production, staging or development')
    .optional(),
  MEDIA_ROOT: z.string().optional(),
  MEDIA_URL: z
    .string()
    .regex(/^(\/|https?:\/\/)/, 'must be a path such as /files, or an http(s) address')
    .default('/files'),
  AWS_ACCESS_KEY_ID: z.string().optional(),
  AWS_SECRET_ACCESS_KEY: z.string().optional(),
  AWS_SESSION_TOKEN: z.string().optional(),
  AWS_STORAGE_BUCKET_NAME: bucket.optional(),
  AWS_S3_REGION_NAME: z.string().optional(),
  AWS_S3_ENDPOINT_URL: url('an S3-compatible server').optional(),
  AWS_S3_ADDRESSING_STYLE: z
    .enum(['auto', 'path', 'virtual'], { error: 'must be auto, path or virtual' })
    .default('auto'),
  AWS_S3_CUSTOM_DOMAIN: host('a CDN, for example files.acme.example').optional(),
  CLOUDFRONT_KEY_PAIR_ID: z.string().optional(),
  CLOUDFRONT_PRIVATE_KEY: z
    .string()
    .includes('PRIVATE KEY', { error: 'must be a private key in PEM' })
    // Many deployment tools keep values on one line.
    .transform(pem => pem.replaceAll('\\n', '\n'))
    .optional(),
  DO_SPACES_REGION: z
    .string()
    .regex(/^[a-z]{3}[0-9]$/, 'must be the slug of a datacenter, for example nyc3')
    .default('nyc3'),
  DO_SPACES_CDN_ENDPOINT: host('a CDN, for example acme-files.nyc3.cdn.digitaloceanspaces.com').optional(),
  AZURE_ACCOUNT_NAME: z
    .string()
    .regex(/^[a-z0-9]{3,24}$/, 'must be the name of a storage account: 3 to 24 small letters and digits')
    .optional(),
  AZURE_ACCOUNT_KEY: z
    .string()
    .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be base64, as the portal shows it')
    .optional(),
  AZURE_CONTAINER: bucket.optional(),
  AZURE_ENDPOINT_URL: url('a storage account').optional(),
  AZURE_CUSTOM_DOMAIN: host('a domain of the account, for example files.acme.example').optional(),
  GS_BUCKET_NAME: bucket.optional(),
  GS_PROJECT_ID: z.string().optional(),
  GS_ENDPOINT_URL: url('a server of Google Cloud Storage').optional(),
  GOOGLE_APPLICATION_CREDENTIALS: z.string().optional(),
  GS_HMAC_ACCESS_KEY_ID: z.string().optional(),
  GS_HMAC_SECRET: z.string().optional(),
})

type BackendName = (typeof BACKENDS)[number]

/** What the environment says, checked. */
export type Variables = Omit<z.output<typeof schema>, 'STORAGE_BACKEND'> & { STORAGE_BACKEND: BackendName }

/**
 * Reads and checks the environment. Empty text counts as unset, as it does in most deployment tools.
 *
 * @throws ERR_CONFIG naming everything that is wrong at once; values are never printed, since some are secret
 */
export function readVariables(env: Environment): Variables {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()))
  const result = schema.safeParse(set)
  const backend = chosenBackend(set)
  const faults = [...(result.error?.issues ?? []).map(lineOf), ...missingFor(backend, set)]
  if (result.success && faults.length === 0) return { ...result.data, STORAGE_BACKEND: backend }
  const lines = faults.map(fault => `  ${fault}`).join('\n')
  throw new StorageError('ERR_CONFIG', `The storage cannot be set up from the environment:\n${lines}`)
}

function lineOf({ path, message }: { path: PropertyKey[]; message: string }): string {
  return `${path.join('.')} ${message}`
}

function chosenBackend({ STORAGE_BACKEND: backend, USE_S3: usesS3 = '' }: Environment): BackendName {
  const named = BACKENDS.find(name => name === backend)
  return named ?? (/^(true|1)$/i.test(usesS3) ? 's3' : 'local')
}

/** What one variable needs of the others; read from the raw text, so that it is said beside all other faults. */
function missingFor(backend: BackendName, set: Environment): string[] {
  const need = (why: string, ...names: string[]) =>
    names.filter(name => set[name] === undefined).map(name => `${name} is missing: ${why}`)
  const isHalf = (one: string, other: string) => (set[one] === undefined) !== (set[other] === undefined)
  const pair = (why: string, one: string, other: string) => (isHalf(one, other) ? need(why, one, other) : [])
  const isPathBesideCdn = set.DO_SPACES_CDN_ENDPOINT !== undefined && set.AWS_S3_ADDRESSING_STYLE === 'path'
  switch (backend) {
    case 'local':
      return []
    case 's3':
      return [
        ...need('the bucket that holds the files', 'AWS_STORAGE_BUCKET_NAME'),
        ...pair(
          'the two AWS keys go together, or both stay away',
          'AWS_ACCESS_KEY_ID',
          'AWS_SECRET_ACCESS_KEY',
        ),
        ...pair(
          "the id of CloudFront's key and the key itself go together",
          'CLOUDFRONT_KEY_PAIR_ID',
          'CLOUDFRONT_PRIVATE_KEY',
        ),
        ...(set.CLOUDFRONT_KEY_PAIR_ID === undefined
          ? []
          : need('the host that CloudFront signs for', 'AWS_S3_CUSTOM_DOMAIN')),
      ]
    case 'do_spaces':
      return [
        ...need('the bucket that holds the files', 'AWS_STORAGE_BUCKET_NAME'),
        ...need('Spaces knows no roles, only keys', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'),
        ...(isPathBesideCdn
          ? ['AWS_S3_ADDRESSING_STYLE must not be path beside DO_SPACES_CDN_ENDPOINT']
          : []),
      ]
    case 'azure':
      return [
        ...need('the container that holds the files', 'AZURE_CONTAINER'),
        ...need('the storage account and its key', 'AZURE_ACCOUNT_NAME', 'AZURE_ACCOUNT_KEY'),
      ]
    case 'gcs':
      return [
        ...need('the bucket that holds the files', 'GS_BUCKET_NAME'),
        ...pair('the two HMAC values go together', 'GS_HMAC_ACCESS_KEY_ID', 'GS_HMAC_SECRET'),
      ]
  }
}
