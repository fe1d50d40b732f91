import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import type { CopySource, Driver } from '../../../src/core/driver.js'
import { scopeDriver } from '../../../src/core/scoped-driver.js'
import { S3Driver, type S3DriverOptions } from '../../../src/drivers/s3/index.js'
import { copyFromCases } from '../../../src/testing/index.js'
import { createBucket, describeWithS3, listOpenUploads, s3Connection } from '../../support/s3.js'

const MIB = 1024 * 1024
const BINARY = { contentType: 'application/octet-stream' }

function sourceIn(driver: Driver): CopySource {
  const source = driver.copySource?.('a.bin')
  if (source === undefined) throw new Error('no source')
  return source
}

async function driverOnNewBucket(options: Partial<S3DriverOptions> = {}): Promise<S3Driver> {
  const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
  const credentials = { accessKeyId, secretAccessKey }
  const bucket = await createBucket('copies')
  const driver = new S3Driver({
    ...{ bucket, endpoint, region, credentials, copyPartSize: 5 * MIB, ...options },
  })
  await driver.ready()
  return driver
}

describeWithS3('two buckets of one S3 account', () => {
  for (const { what, transport, scope } of [
    { what: 'bare', transport: 'own', scope: '' },
    { what: 'scoped, sent by the SDK', transport: 'sdk', scope: 'media/acme/' },
  ] as const) {
    describe(what, () => {
      let from: Driver
      let to: Driver
      beforeAll(async () => {
        const drivers = [await driverOnNewBucket({ transport }), await driverOnNewBucket({ transport })]
        const [one, two] = scope === '' ? drivers : drivers.map(driver => scopeDriver(driver, scope))
        if (one !== undefined) from = one
        if (two !== undefined) to = two
        return () => Promise.all(drivers.map(driver => driver.close()))
      })
      for (const { name, run } of copyFromCases) {
        it(name, async () => {
          await run({ from, to, prefix: `${randomUUID()}/` })
          expect(await listOpenUploads(to.bucket ?? '')).toEqual([])
        })
      }
    })
  }

  it('leaves nothing of a copy whose source is replaced between two parts', async () => {
    const [from, to] = [await driverOnNewBucket(), await driverOnNewBucket()]
    await from.put('a.bin', Buffer.alloc(6 * MIB, 'a'), BINARY)
    const copying = to.copyFrom(sourceIn(from), 'a.bin', {
      ...{ ...BINARY, size: 6 * MIB, ifNoneMatch: '*' },
      onMultipart: async () => void (await from.put('a.bin', Buffer.alloc(6 * MIB, 'b'), BINARY)),
    })
    await expect(copying).rejects.toMatchObject({ code: 'ERR_FILE_CHANGED' })
    await expect(to.head('a.bin')).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' })
    expect(await listOpenUploads(to.bucket)).toEqual([])
  })

  it('leaves no upload behind when the application does not take down its id', async () => {
    const [from, to] = [await driverOnNewBucket(), await driverOnNewBucket()]
    await from.put('a.bin', Buffer.alloc(6 * MIB), BINARY)
    const onMultipart = () => Promise.reject(new Error('no database'))
    const copying = to.copyFrom(sourceIn(from), 'a.bin', { ...BINARY, size: 6 * MIB, onMultipart })
    await expect(copying).rejects.toThrow('no database')
    expect(await listOpenUploads(to.bucket)).toEqual([])
  })

  it('are two realms to two access keys, since a name may be two buckets there', async () => {
    const [from, to] = [await driverOnNewBucket(), await driverOnNewBucket()]
    const { endpoint, region, other } = s3Connection()
    const stranger = new S3Driver({ bucket: to.bucket, endpoint, region, credentials: other })
    await stranger.ready()
    await from.put('a.bin', Buffer.from('a'), BINARY)
    expect(await stranger.copyFrom(sourceIn(from), 'a.bin', { ...BINARY, size: 1 })).toBeUndefined()
  })
})

describe('copyRealm', () => {
  const realmOf = async (options: S3DriverOptions) => {
    const driver = new S3Driver({
      credentials: { accessKeyId: 'KEY', secretAccessKey: 'secret' },
      ...options,
    })
    await driver.ready()
    const realm = driver.copySource('a.txt')?.realm
    await driver.close()
    return realm
  }

  it('is the region on AWS, whatever the bucket and its address are called', async () => {
    for (const bucket of ['one', 'two', 's3'])
      for (const more of [
        {},
        { addressingStyle: 'path' },
        { endpoint: 'https://s3.eu-central-1.amazonaws.com' },
      ] as const)
        expect(await realmOf({ bucket, region: 'eu-central-1', ...more })).toBe('aws eu-central-1')
    expect(await realmOf({ bucket: 'one', region: 'eu-west-1' })).toBe('aws eu-west-1')
  })

  it('is endpoint, region and access key elsewhere, in both styles of addresses', async () => {
    const endpoint = 'https://nyc3.example.com'
    for (const bucket of ['one', 'nyc3'])
      for (const addressingStyle of ['path', 'virtual'] as const)
        expect(await realmOf({ bucket, endpoint, region: 'nyc3', addressingStyle })).toBe(
          's3 https://nyc3.example.com/ nyc3 KEY',
        )
  })

  it('is none for an access point', async () => {
    const bucket = 'arn:aws:s3:eu-central-1:123456789012:accesspoint/files'
    expect(await realmOf({ bucket, region: 'eu-central-1' })).toBeUndefined()
  })
})
