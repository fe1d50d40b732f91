import { Buffer } from 'node:buffer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { GcsDriver } from '../../../src/drivers/gcs/index.js'
import { someBytes, TEXT } from '../../../src/testing/driver-cases-support.js'
import { GcsStub } from '../../support/gcs-stub.js'
import { stubClient } from './stub-client.js'

const KMS_KEY = 'projects/acme/locations/eu/keyRings/files/cryptoKeys/acme'

describe('the GCS driver on a GCS stub keeps objects as it is asked to', () => {
  const stub = new GcsStub()
  let bucket: string
  let driver: GcsDriver
  beforeAll(async () => {
    await stub.start()
    bucket = stub.createBucket()
    driver = new GcsDriver({ bucket, client: stubClient(stub), chunkSize: 256 * 1024 })
    await driver.ready()
  })
  afterAll(async () => {
    await driver.close()
    await stub.close()
  })
  const kept = (key: string) => {
    const { storageClass, kmsKeyName } = stub.store.object(bucket, key).resource
    return { storageClass, kmsKeyName }
  }

  it.each([
    ['in one request', 100],
    ['in chunks', 600_000],
  ])('with a class and a key, %s', async (_, size) => {
    const encryption = { algorithm: 'gcp:kms', keyId: KMS_KEY } as const
    await driver.put('a.txt', someBytes(size), { ...TEXT, storageClass: 'NEARLINE', encryption })
    expect(kept('a.txt')).toEqual({ storageClass: 'NEARLINE', kmsKeyName: KMS_KEY })
  })

  it('in a copy, which keeps its headers and metadata', async () => {
    await driver.put('b.txt', Buffer.from('x'), {
      ...TEXT,
      contentDisposition: 'attachment',
      cacheControl: 'no-store',
    })
    const encryption = { algorithm: 'gcp:kms', keyId: KMS_KEY } as const
    await driver.copy('b.txt', 'c.txt', { storageClass: 'COLDLINE', encryption })
    expect(kept('c.txt')).toEqual({ storageClass: 'COLDLINE', kmsKeyName: KMS_KEY })
    expect(await driver.head('c.txt')).toMatchObject({
      contentType: 'text/plain',
      contentDisposition: 'attachment',
      cacheControl: 'no-store',
    })
    expect(stub.store.object(bucket, 'c.txt').resource.metadata).toEqual(
      stub.store.object(bucket, 'b.txt').resource.metadata,
    )
    await driver.copy('c.txt', 'd.txt')
    expect(kept('d.txt')).toEqual({ storageClass: undefined, kmsKeyName: undefined })
  })
})
