// What signing a URL costs, against the SDKs in the same run (docs/reference/benchmarks.md).
//
//   npm run bench -- sign
import { createHmac, generateKeyPairSync, hash, randomBytes, randomUUID } from 'node:crypto'
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl as getCloudFrontUrl } from '@aws-sdk/cloudfront-signer'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import {
  BlobSASPermissions,
  generateBlobSASQueryParameters,
  SASProtocol,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { Storage as GoogleStorage } from '@google-cloud/storage'
import { createStorage, runWithTenant } from '../../dist/core/index.js'
import { mintStoredFile } from '../../dist/core/stored-file.js'
import { AzureDriver } from '../../dist/drivers/azure/index.js'
import { CloudFrontSigner } from '../../dist/drivers/cloudfront/index.js'
import { GcsDriver } from '../../dist/drivers/gcs/index.js'
import { LocalDriver } from '../../dist/drivers/local/index.js'
import { S3Driver } from '../../dist/drivers/s3/index.js'
import { bytesPerCall, judge, measure, printTable, show } from './measure.mjs'

const COUNT = 1000
const EXPIRES_IN = 3600
const NOON = Date.UTC(2026, 10, 25, 12)

const credentials = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret/with+odd=characters' }
const pemOf = ({ privateKey }) => privateKey.export({ type: 'pkcs8', format: 'pem' })
const rsa = pemOf(generateKeyPairSync('rsa', { modulusLength: 2048 }))
const ecdsa = pemOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }))
const accountKey = randomBytes(64).toString('base64')
const account = { client_email: 'desk@acme.iam.gserviceaccount.com', private_key: rsa }
const keyPairId = 'K2JCJMDEHXQW5F'

/** What a page of files asks for: keys and names of its own in each round, and one moment. */
function page(round, count, what) {
  return Array.from({ length: count }, (_, i) => {
    const name = i % 10 === 0 ? `Report (final) é ${i}.pdf` : `report-${i}.pdf`
    const key = `media/acme/order_files/${randomUUID()}.pdf`
    const at = NOON + round * 1000
    const headers = {
      contentType: 'application/pdf',
      contentDisposition: `inline; filename="${name.replace('é', 'e')}"; filename*=UTF-8''${encodeURIComponent(name)}`,
      cacheControl: 'private, max-age=1800',
    }
    return {
      key,
      name,
      request: { method: 'GET', expiresIn: EXPIRES_IN, at, ...(what === 'headers' ? headers : {}) },
    }
  })
}

/** The `signUrl` of a driver. */
function byDriver(driver, what) {
  return {
    calls: COUNT,
    prepare: (round, calls) => page(round, calls, what),
    run: files => {
      for (const { key, request } of files) driver.signUrl(key, request)
    },
  }
}

/** `file.url` as an application reads it. */
function byFile(driver, { times = 1 } = {}) {
  const storage = createStorage({ secret: 'a secret for benchmarks', backends: { main: driver } })
  const facts = {
    disk: 'media',
    backend: 'main',
    tenant: 'acme',
    size: 1,
    type: 'application/pdf',
    sha256: null,
  }
  const read = files =>
    runWithTenant('acme', () => {
      for (const file of files) file.url
    })
  return {
    calls: COUNT * times,
    prepare: async (round, calls) => {
      await storage.ready()
      const files = page(round, calls / times).map(({ key, name }) =>
        mintStoredFile({ home: storage }, { ...facts, name, key: key.slice('media/acme/'.length) }),
      )
      if (times > 1) read(files)
      return files
    },
    run: files => {
      for (let time = 0; time < times; time++) read(files)
    },
  }
}

/** A function of an SDK, one call after the other. */
function bySdk(sign, what, calls = 500) {
  return {
    calls,
    prepare: (round, count) => page(round, count, what),
    run: async files => {
      for (const file of files) await sign(file)
    },
  }
}

const s3Client = new S3Client({
  region: 'eu-central-1',
  credentials,
  requestChecksumCalculation: 'WHEN_REQUIRED',
  responseChecksumValidation: 'WHEN_REQUIRED',
})
const s3 = new S3Driver({ bucket: 'acme-files', client: s3Client })
await s3.ready()

const getObject = ({ key, request }) => {
  const { contentType, contentDisposition, cacheControl, at } = request
  const command = new GetObjectCommand({
    Bucket: 'acme-files',
    Key: key,
    ResponseContentType: contentType,
    ResponseContentDisposition: contentDisposition,
    ResponseCacheControl: cacheControl,
  })
  return getSignedUrl(s3Client, command, { expiresIn: EXPIRES_IN, signingDate: new Date(at) })
}

// As much hashing as one S3 URL needs, by the plain functions of node:crypto.
const dayKey = randomBytes(32)
const hashing = {
  calls: COUNT,
  prepare: (round, calls) => Array.from({ length: calls }, (_, i) => `${round} ${i} `.padEnd(420, 'x')),
  run: texts => {
    for (const text of texts)
      createHmac('sha256', dayKey)
        .update(hash('sha256', text, 'hex'))
        .digest('hex')
  },
}

// Alone first: in a process that signs for one backend, as most do, the compiler knows every call.
const onS3 = {
  getSignedUrl: bySdk(getObject),
  'S3Driver.signUrl': byDriver(s3),
  'S3Driver.signUrl, with response headers': byDriver(s3, 'headers'),
  'file.url, read first': byFile(s3),
  'file.url, read again': byFile(s3, { times: 20 }),
  'one hash and one HMAC': hashing,
}
const s3Times = await measure(onS3)
const s3Bytes = {}
for (const [name, variant] of Object.entries(onS3)) {
  s3Bytes[name] = await bytesPerCall(variant, name === 'getSignedUrl' ? 4 : 500)
}
printTable(
  ['on S3', 'µs of CPU a URL', 'getSignedUrl ÷ this', 'bytes of heap a URL'],
  Object.entries(s3Times).map(([name, time]) => [
    name,
    show(time),
    `${show(s3Times.getSignedUrl / time)}x`,
    show(s3Bytes[name]),
  ]),
)

const azureKey = new StorageSharedKeyCredential('acme', accountKey)
const blobSas = ({ key, request: { contentType, contentDisposition, cacheControl, at } }) => {
  const sas = generateBlobSASQueryParameters(
    {
      containerName: 'files',
      blobName: key,
      permissions: BlobSASPermissions.parse('r'),
      startsOn: new Date(at - 900_000),
      expiresOn: new Date(at + EXPIRES_IN * 1000),
      protocol: SASProtocol.Https,
      contentType,
      contentDisposition,
      cacheControl,
    },
    azureKey,
  )
  return `https://acme.blob.core.windows.net/files/${key}?${sas}`
}

const googleBucket = new GoogleStorage({ credentials: account }).bucket('acme-files')
const googleUrl = ({ key, request: { contentType, contentDisposition } }) =>
  googleBucket.file(key).getSignedUrl({
    version: 'v4',
    action: 'read',
    expires: Date.now() + EXPIRES_IN * 1000,
    responseType: contentType,
    responseDisposition: contentDisposition,
  })

const cdnUrl = key => `https://files.acme.example/${key}`
const dateLessThan = NOON + EXPIRES_IN * 1000
const cloudFrontByPem = ({ key }) =>
  getCloudFrontUrl({ url: cdnUrl(key), keyPairId, privateKey: rsa, dateLessThan })
const byCdn = privateKey => {
  const signer = new CloudFrontSigner({ keyPairId, privateKey })
  return bySdk(({ key }) => signer.signUrl(cdnUrl(key), { expires: dateLessThan / 1000 }))
}

const local = new LocalDriver({ root: 'var/bench' })
const azure = new AzureDriver({ container: 'files', accountName: 'acme', accountKey })
const gcs = options => new GcsDriver({ bucket: 'acme-files', ...options })
const elsewhere = [
  ["Azure: the SDK's generateBlobSASQueryParameters", bySdk(blobSas, 'headers', COUNT)],
  ['Azure: AzureDriver.signUrl', byDriver(azure, 'headers')],
  ["Google: the SDK's getSignedUrl, RSA", bySdk(googleUrl, 'headers')],
  ['Google: GcsDriver.signUrl, RSA', byDriver(gcs({ credentials: account }), 'headers')],
  [
    'Google: GcsDriver.signUrl, HMAC',
    byDriver(gcs({ hmac: { accessId: 'GOOG1E', secret: 'secret' } }), 'headers'),
  ],
  ["CloudFront: the SDK's getSignedUrl, RSA in PEM", bySdk(cloudFrontByPem)],
  ['CloudFront: CloudFrontSigner, RSA', byCdn(rsa)],
  ['CloudFront: CloudFrontSigner, ECDSA', byCdn(ecdsa)],
  ['local: file.url, read first', byFile(local)],
]
const times = await measure(Object.fromEntries(elsewhere), { rounds: 7 })
printTable(
  ['elsewhere', 'µs of CPU a URL'],
  Object.entries(times).map(([name, time]) => [name, show(time)]),
)

judge([
  {
    what: 'getSignedUrl ÷ S3Driver.signUrl',
    value: s3Times.getSignedUrl / s3Times['S3Driver.signUrl'],
    atLeast: 60,
    unit: 'x',
  },
  { what: 'heap of a bare URL', value: s3Bytes['S3Driver.signUrl'], atMost: 2048, unit: ' bytes' },
  {
    what: 'heap of a URL with response headers',
    value: s3Bytes['S3Driver.signUrl, with response headers'],
    atMost: 3584,
    unit: ' bytes',
  },
  {
    what: 'file.url, read again inside its window',
    value: s3Times['file.url, read again'],
    atMost: 0.2,
    unit: ' µs',
  },
])
