import { randomUUID } from 'node:crypto'
import { CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import { beforeAll, expect, it } from 'vitest'
import { S3Driver } from '../../../src/drivers/s3/index.js'
import {
  createBucket,
  describeWithS3,
  listAllKeys,
  listOpenUploads,
  s3Client,
  s3Connection,
} from '../../support/s3.js'

const TEXT = { contentType: 'text/plain' }

function driverOn(bucket: string, keys: Partial<{ accessKeyId: string; secretAccessKey: string }> = {}) {
  const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
  const credentials = { accessKeyId, secretAccessKey, ...keys }
  return new S3Driver({ bucket, endpoint, region, credentials, maxAttempts: 1 })
}

/** Begins an upload and sends one part, as a process does that dies then. */
async function begin(bucket: string, key: string): Promise<string> {
  const upload = { Bucket: bucket, Key: key }
  const { UploadId } = await s3Client().send(new CreateMultipartUploadCommand(upload))
  await s3Client().send(
    new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: Buffer.alloc(5 * 1024 * 1024) }),
  )
  return UploadId!
}

describeWithS3('many objects at once on S3', () => {
  let bucket: string
  let driver: S3Driver
  beforeAll(async () => {
    bucket = await createBucket('many')
    driver = driverOn(bucket)
    await driver.ready()
    return () => driver.close()
  })

  it('are deleted, and those that are not there are no failure', async () => {
    const odd = ['a b+c%.txt', 'ä/ö.txt', '&<>"\'.txt', '😀.txt', 'not\ufffein\uffffxml.txt']
    const keys = odd.map(key => `${randomUUID()}/${key}`)
    for (const key of keys) await driver.put(key, Buffer.from('x'), TEXT)
    await driver.put('stays.txt', Buffer.from('x'), TEXT)
    expect(await driver.deleteMany([...keys, 'never/there.txt'])).toEqual([])
    expect(await listAllKeys(bucket)).toEqual(['stays.txt'])
  })

  it('take as many requests as they need', async () => {
    const keys = Array.from({ length: 1001 }, (_, index) => `pages/${index}`)
    const real = ['pages/0', 'pages/999', 'pages/1000']
    for (const key of real) await driver.put(key, Buffer.from('x'), TEXT)
    expect(await driver.deleteMany(keys)).toEqual([])
    expect((await listAllKeys(bucket)).filter(key => key.startsWith('pages/'))).toEqual([])
    expect(await driver.deleteMany([])).toEqual([])
  })

  it('fail one by one, each with its reason, where the storage refuses', async () => {
    const stranger = driverOn(bucket, { secretAccessKey: 'wrong' })
    const failures = await stranger.deleteMany(['a.txt', 'b.txt'])
    expect(failures).toMatchObject([
      { key: 'a.txt', error: { code: 'ERR_BACKEND_DENIED' } },
      { key: 'b.txt', error: { code: 'ERR_BACKEND_DENIED' } },
    ])
    await stranger.close()
  })

  it('are refused together where one key is none', async () => {
    await expect(driver.deleteMany(['a.txt', '../b.txt'])).rejects.toMatchObject({ code: 'ERR_KEY_INVALID' })
  })
})

describeWithS3('uploads in parts that were left behind on S3', () => {
  let bucket: string
  let driver: S3Driver
  beforeAll(async () => {
    bucket = await createBucket('uploads')
    driver = driverOn(bucket)
    await driver.ready()
    return () => driver.close()
  })

  it('are found by their folder, and ended', async () => {
    const key = 'media/acme/a b+ä.txt'
    const id = await begin(bucket, key)
    await begin(bucket, 'media/acme-corp/b.txt')
    const found: unknown[] = []
    for await (const upload of driver.listUploads('media/acme/')) found.push(upload)
    expect(found).toEqual([{ key, id }])
    await driver.abortUpload(key, id)
    expect(await listOpenUploads(bucket)).toMatchObject([{ key: 'media/acme-corp/b.txt' }])
    // Once more is no error: it is gone.
    await driver.abortUpload(key, id)
  })

  it('are not ended under another key than their own', async () => {
    const id = await begin(bucket, 'media/globex/c.txt')
    await driver.abortUpload('media/acme/c.txt', id)
    expect((await listOpenUploads(bucket)).map(({ key }) => key)).toContain('media/globex/c.txt')
  })

  it('need a bucket', async () => {
    const nowhere = driverOn('no-such-bucket-anywhere')
    const missing = { code: 'ERR_BUCKET_NOT_FOUND' }
    await expect(nowhere.abortUpload('a.txt', 'x')).rejects.toMatchObject(missing)
    await expect(nowhere.listUploads('').next()).rejects.toMatchObject(missing)
    expect(await nowhere.deleteMany(['a.txt'])).toMatchObject([{ error: missing }])
    await nowhere.close()
  })
})
