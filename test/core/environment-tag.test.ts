import { readFileSync } from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import type { Driver, PutBody, PutOptions } from '../../src/core/driver.js'
import { StorageError } from '../../src/core/errors.js'
import { createStorage, type Storage, type StorageOptions } from '../../src/core/storage.js'
import { runWithTenant } from '../../src/core/tenant.js'
import { LocalDriver } from '../../src/drivers/local/index.js'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { createBucket, describeWithS3, s3Connection } from '../support/s3.js'
import { tempDir } from '../support/temp-dir.js'
import { codeOf, thrownCode } from './errors-of.js'
import { SpyDriver } from './spy-driver.js'

const TAG = 'tenant-files-environment.txt'
const TEXT = { contentType: 'text/plain' }

const storageOn = (driver: Driver, environment?: string, more: Partial<StorageOptions> = {}) =>
  createStorage({ secret: 'a secret of enough length', backends: { bucket: driver }, environment, ...more })
const write = (storage: Storage, key = 'a.txt') =>
  runWithTenant('acme', () => storage.disk('media').put(key, Buffer.from('hello'), TEXT))
const read = (storage: Storage, key = 'a.txt') =>
  runWithTenant('acme', async () => text((await storage.disk('media').get(key)).body))
const methodsOf = (spy: SpyDriver) =>
  spy.calls.map(({ method, keys }) => `${method} ${keys.map(key => key.split('/').at(-1))}`)
const wordOn = async (driver: Driver) => text((await driver.get(TAG)).body)

/** Loses every put of a tag before it reaches the backend, until it is told not to. */
class Unreachable extends SpyDriver {
  isDown = true
  override async put(key: string, body: PutBody, options: PutOptions) {
    if (this.isDown) throw new StorageError('ERR_BACKEND', 'The storage could not be reached.')
    return super.put(key, body, options)
  }
}

describe('a storage without an environment', () => {
  it('neither writes nor reads a tag', async () => {
    const spy = new SpyDriver()
    const storage = storageOn(spy)
    await storage.ready()
    await write(storage)
    expect(methodsOf(spy)).toEqual(['put a.txt'])
  })

  it('writes to a bucket that has one', async () => {
    const spy = new SpyDriver()
    await write(storageOn(spy, 'production'))
    await write(storageOn(spy), 'b.txt')
    expect(await read(storageOn(spy), 'b.txt')).toBe('hello')
  })
})

describe('a storage with an environment', () => {
  it('leaves its name on the bucket before the first write, and only then', async () => {
    const spy = new SpyDriver()
    const storage = storageOn(spy, 'production')
    await write(storage)
    await write(storage, 'b.txt')
    expect(methodsOf(spy)).toEqual([`get ${TAG}`, `put ${TAG}`, `get ${TAG}`, 'put a.txt', 'put b.txt'])
    expect(spy.calls[1]?.options).toMatchObject({ ifNoneMatch: '*' })
    expect(await wordOn(spy)).toBe('production\n')
  })

  it('leaves no name on a bucket that is opened to be read as a whole, and refuses one of another environment', async () => {
    const spy = new SpyDriver()
    const staging = storageOn(spy, 'staging')
    await staging.openForMaintenance('bucket', 'read')
    expect(methodsOf(spy)).toEqual([`get ${TAG}`])
    await write(storageOn(spy, 'production'))
    expect(await codeOf(() => staging.openForMaintenance('bucket', 'read'))).toBe('ERR_ENVIRONMENT_MISMATCH')
    expect(await codeOf(() => staging.openForMaintenance('bucket', 'write'))).toBe('ERR_ENVIRONMENT_MISMATCH')
  })

  it('looks once at a bucket that bears its name already', async () => {
    const spy = new SpyDriver()
    await write(storageOn(spy, 'production'))
    spy.calls.length = 0
    const storage = storageOn(spy, 'production')
    await storage.ready()
    await write(storage, 'b.txt')
    expect(methodsOf(spy)).toEqual([`get ${TAG}`, 'put b.txt'])
  })

  it('looks at ready() where writeTo is one name, and not where it is a function', async () => {
    const [named, chosen] = [new SpyDriver(), new SpyDriver()]
    await storageOn(named, 'production').ready()
    await storageOn(chosen, 'production', { writeTo: () => 'bucket' }).ready()
    expect(methodsOf(named)).toEqual([`get ${TAG}`, `put ${TAG}`, `get ${TAG}`])
    expect(methodsOf(chosen)).toEqual([])
  })

  it('asks nothing of a backend that it only reads', async () => {
    const [old, bucket] = [new SpyDriver(), new SpyDriver()]
    await old.put('media/acme/a.txt', Buffer.from('hello'), TEXT)
    old.calls.length = 0
    const storage = storageOn(bucket, 'production', { backends: { old, bucket }, writeTo: 'bucket' })
    await storage.ready()
    const address = { disk: 'media', backend: 'old', tenant: 'acme', key: 'a.txt' }
    const disk = storage.disk('media')
    await runWithTenant('acme', async () => text((await disk.get(address)).body))
    expect(methodsOf(old)).toEqual(['get a.txt'])
    await runWithTenant('acme', () => disk.delete(address))
    expect(methodsOf(old)).toEqual(['get a.txt', `get ${TAG}`, `put ${TAG}`, `get ${TAG}`, 'delete a.txt'])
  })

  it('never shows the tag in a listing', async () => {
    const storage = storageOn(new SpyDriver(), 'production')
    await write(storage)
    const listed: string[] = []
    await runWithTenant('acme', async () => {
      for (const name of ['media', 'public-media', 'static'])
        for await (const { key } of storage.disk(name).list()) listed.push(key)
    })
    expect(listed).toEqual(['a.txt'])
  })

  it('tries again after a check that failed', async () => {
    const spy = new Unreachable()
    const storage = storageOn(spy, 'production')
    expect(await codeOf(() => write(storage))).toBe('ERR_BACKEND')
    spy.isDown = false
    await write(storage)
    expect(await wordOn(spy)).toBe('production\n')
  })

  it.each(['', 'two words', 'prod/eu', 'x'.repeat(65)])('must be a word, not %j', environment => {
    expect(thrownCode(() => storageOn(new SpyDriver(), environment))).toBe('ERR_CONFIG')
  })
})

const backends: [string, () => Promise<Driver>][] = [
  ['in memory', async () => new SpyDriver()],
  ['on the local disk', async () => new LocalDriver({ root: tempDir() })],
]

describe.each(backends)('the bucket of another environment %s', (_, make) => keepsApart(make))

describeWithS3('the bucket of another environment on S3', () => {
  keepsApart(async () => {
    const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
    const bucket = await createBucket('environment')
    return new S3Driver({ bucket, endpoint, region, credentials: { accessKeyId, secretAccessKey } })
  })
})

function keepsApart(make: () => Promise<Driver>): void {
  it('refuses put, copy and delete with a word on what to do, and is read all the same', async () => {
    const driver = await make()
    await write(storageOn(driver, 'production'))
    const storage = storageOn(driver, 'staging')
    await expect(storage.ready()).rejects.toMatchObject({
      code: 'ERR_ENVIRONMENT_MISMATCH',
      status: 500,
      backend: 'bucket',
      message:
        'This bucket belongs to the environment "production"; this process is "staging". Give each environment a bucket of its own.',
    })
    const disk = storage.disk('media')
    expect(await codeOf(() => write(storage, 'b.txt'))).toBe('ERR_ENVIRONMENT_MISMATCH')
    await runWithTenant('acme', async () => {
      expect(await codeOf(() => disk.delete('a.txt'))).toBe('ERR_ENVIRONMENT_MISMATCH')
      expect(await codeOf(() => disk.copy('a.txt', 'b.txt'))).toBe('ERR_ENVIRONMENT_MISMATCH')
      expect(disk.url('a.txt')).toContain('/media/acme/a.txt?')
    })
    expect(await read(storage)).toBe('hello')
    expect(await wordOn(driver)).toBe('production\n')
  })

  it('lets eight first processes of one environment start at once', async () => {
    const driver = await make()
    const storages = Array.from({ length: 8 }, () => storageOn(driver, 'production'))
    await Promise.all(storages.map((storage, index) => write(storage, `${index}.txt`)))
    expect(await wordOn(driver)).toBe('production\n')
  })

  it('belongs to exactly one of two environments that start at once', async () => {
    const driver = await make()
    const results = await Promise.allSettled(
      ['production', 'staging'].map(environment => storageOn(driver, environment).ready()),
    )
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })
}

it('names the environment of a local folder in a file that people can read', async () => {
  const root = tempDir()
  await write(storageOn(new LocalDriver({ root }), 'production'))
  expect(readFileSync(path.join(root, TAG), 'utf8')).toBe('production\n')
})
