import { randomUUID } from 'node:crypto'
import { HeadObjectCommand } from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, it } from 'vitest'
import { createStorage, runWithTenant, StorageError } from '../../../src/core/index.js'
import { S3Driver, type S3DriverOptions } from '../../../src/drivers/s3/index.js'
import { SpacesDriver } from '../../../src/drivers/spaces/index.js'
import { readText, someBytes, TEXT } from '../../../src/testing/driver-cases-support.js'
import { startFaultyProxy } from '../../support/faulty-proxy.js'
import { createBucket, describeWithS3, s3Client, s3Connection } from '../../support/s3.js'

const MIB = 1024 * 1024
const credentials = { accessKeyId: 'AKEXAMPLE', secretAccessKey: 'secret' }

describeWithS3('the S3 driver keeps objects on Ceph as it is asked to', () => {
  let bucket: string
  let driver: S3Driver
  beforeAll(async () => {
    bucket = await createBucket('keep')
    driver = driverOn(bucket, { encryption: ['aws:kms'], storageClasses: ['STANDARD', 'STANDARD_IA'] })
    await driver.ready()
    return () => driver.close()
  })

  const keep = {
    storageClass: 'STANDARD_IA',
    encryption: { algorithm: 'aws:kms', keyId: 'testkey-1' },
  } as const

  it('with a class and a KMS key, in one request', async () => {
    await driver.put('whole.txt', Buffer.from('x'), { ...TEXT, ...keep })
    expect(await kept(bucket, 'whole.txt')).toEqual(['STANDARD_IA', 'aws:kms', 'testkey-1'])
    expect(await readText(driver, 'whole.txt')).toBe('x')
  })

  it('with a class in parts', async () => {
    await driver.put('parts.bin', someBytes(6 * MIB), { ...TEXT, storageClass: 'STANDARD_IA' })
    expect(await kept(bucket, 'parts.bin')).toEqual(['STANDARD_IA', undefined, undefined])
  })

  // Ceph takes half a minute to encrypt the parts, so the upload ends when it has begun.
  it('with a KMS key in parts', async () => {
    const proxy = await startFaultyProxy(s3Connection().endpoint)
    const asked: unknown[] = []
    proxy.fault = (req, _res, pass) => {
      if (req.url?.includes('?uploads'))
        asked.push(req.headers['x-amz-server-side-encryption-aws-kms-key-id'])
      return pass()
    }
    const through = driverOn(bucket, { endpoint: proxy.endpoint })
    const onMultipart = async () => {
      throw new StorageError('ERR_UPLOAD_ABORTED', 'The test has seen enough.')
    }
    try {
      const put = through.put('begun.bin', someBytes(6 * MIB), { ...TEXT, ...keep, onMultipart })
      await expect(put).rejects.toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
      expect(asked).toEqual(['testkey-1'])
    } finally {
      await through.close()
      await proxy.close()
    }
  })

  it('with a class in a copy', async () => {
    const key = randomUUID()
    await driver.put(key, Buffer.from('x'), TEXT)
    await driver.copy(key, `${key}-2`, { storageClass: 'STANDARD_IA' })
    await driver.copy(key, `${key}-3`)
    expect((await kept(bucket, `${key}-2`))[0]).toBe('STANDARD_IA')
    expect((await kept(bucket, `${key}-3`))[0]).toBeUndefined()
  })

  it('but for copies of what it encrypted, which Ceph does not do', async () => {
    const key = randomUUID()
    await driver.put(key, Buffer.from('x'), { ...TEXT, ...keep })
    await expect(driver.copy(key, `${key}-2`)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' })
  })

  it('with a key for each tenant', async () => {
    const storage = createStorage({
      secret: 'a secret of the tests',
      backends: { s3: driver },
      disks: {
        media: {
          location: 'media',
          visibility: 'private',
          tenancy: 'required',
          encryption: {
            algorithm: 'aws:kms',
            keyId: tenant => (tenant === 'acme' ? 'testkey-1' : 'testkey-2'),
          },
        },
      },
    })
    for (const tenant of ['acme', 'globex'])
      await runWithTenant(tenant, () => storage.disk('media').put('a.txt', Buffer.from('x'), TEXT))
    expect((await kept(bucket, 'media/acme/a.txt'))[2]).toBe('testkey-1')
    expect((await kept(bucket, 'media/globex/a.txt'))[2]).toBe('testkey-2')
  })

  it('and says so when the server does not know the key', async () => {
    const encryption = { algorithm: 'aws:kms', keyId: 'no-such-key' } as const
    const put = driver.put('unknown-key.txt', Buffer.from('x'), { ...TEXT, encryption })
    await expect(put).rejects.toMatchObject({ name: 'StorageError', operation: 'put' })
    await expect(driver.head('unknown-key.txt')).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' })
  })
})

describe('what a driver can be asked for', () => {
  const of = (options: Partial<S3DriverOptions>) =>
    new S3Driver({ bucket: 'files', region: 'eu-central-1', credentials, ...options }).capabilities

  it('is on AWS what AWS knows', () => {
    for (const endpoint of [undefined, 'https://s3.eu-central-1.amazonaws.com'])
      expect(of({ endpoint })).toMatchObject({
        encryption: ['AES256', 'aws:kms', 'aws:kms:dsse'],
        storageClasses: expect.arrayContaining(['STANDARD', 'INTELLIGENT_TIERING', 'GLACIER']),
      })
  })

  it('is nothing on another server, which may ignore it without a word, unless it is said', () => {
    const endpoint = 'https://minio.example'
    expect(of({ endpoint })).toMatchObject({ encryption: [], storageClasses: [] })
    expect(of({ endpoint, encryption: ['AES256'], storageClasses: ['COLD'] })).toMatchObject({
      encryption: ['AES256'],
      storageClasses: ['COLD'],
    })
  })

  it('is nothing on Spaces', () => {
    const { capabilities } = new SpacesDriver({ bucket: 'files', region: 'nyc3', credentials })
    expect(capabilities).toMatchObject({ encryption: [], storageClasses: [] })
  })
})

function driverOn(bucket: string, options: Partial<S3DriverOptions>): S3Driver {
  const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
  return new S3Driver({
    bucket,
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    partSize: 5 * MIB,
    ...options,
  })
}

async function kept(bucket: string, key: string): Promise<(string | undefined)[]> {
  const head = await s3Client().send(new HeadObjectCommand({ Bucket: bucket, Key: key }))
  return [head.StorageClass, head.ServerSideEncryption, head.SSEKMSKeyId]
}
