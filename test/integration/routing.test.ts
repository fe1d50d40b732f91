import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  createStorage,
  runAsSystem,
  runWithTenant,
  type Storage,
  type StoredFile,
} from '../../src/core/index.js'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { storeFile } from '../../src/upload/index.js'
import { createBucket, describeWithS3, s3Connection } from '../support/s3.js'

/** One region for each of two groups of tenants: another bucket, and another owner with keys of its own. */
describeWithS3('where the files of a tenant go', () => {
  const buckets = new Map<string, { bucket: string; client: S3Client }>()
  let storage: Storage

  beforeAll(async () => {
    const { endpoint, region, other, ...own } = s3Connection()
    const backends: Record<string, S3Driver> = {}
    for (const [name, { accessKeyId, secretAccessKey }] of Object.entries({ eu: own, us: other })) {
      const credentials = { accessKeyId, secretAccessKey }
      const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
      const bucket = await createBucket(`routing-${name}`, client)
      buckets.set(name, { bucket, client })
      backends[name] = new S3Driver({ bucket, endpoint, region, credentials })
    }
    const writeTo = (tenant: string | null) => (tenant === 'globex' ? 'us' : 'eu')
    storage = createStorage({ secret: 'a secret of the tests', backends, writeTo })
    await storage.ready()
  })
  afterAll(async () => {
    await storage.close()
    for (const { client } of buckets.values()) client.destroy()
  })

  const store = (tenant: string): Promise<StoredFile> =>
    runWithTenant(tenant, () =>
      storeFile(storage, Buffer.from(`of ${tenant}`), { folder: 'notes' }, { name: 'note.txt' }),
    )

  it.each([
    ['acme', 'eu', 'us'],
    ['globex', 'us', 'eu'],
  ])("%s's go to %s and not to %s", async (tenant, home, elsewhere) => {
    const file = await store(tenant)
    expect(file.backend).toBe(home)
    const Key = storage.disk('media').objectKey(file)
    const read = async (name: string) => {
      const { bucket, client } = buckets.get(name)!
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }))
      return Body?.transformToString()
    }
    expect(await read(home)).toBe(`of ${tenant}`)
    await expect(read(elsewhere)).rejects.toMatchObject({ name: 'NoSuchKey' })
  })

  it('are read and signed there, whoever else writes elsewhere', async () => {
    const files = await Promise.all(['acme', 'globex', 'acme'].map(store))
    for (const file of files) {
      const answer = await runWithTenant(file.tenant!, async () => fetch(file.url))
      expect(await answer.text()).toBe(`of ${file.tenant}`)
    }
  })

  it('may differ between two backends of one administrator', async () => {
    const [acme, globex] = [await store('acme'), await store('globex')]
    const texts = await runAsSystem('an export', () =>
      Promise.all([acme, globex].map(async file => (await file.bytes()).toString())),
    )
    expect(texts).toEqual(['of acme', 'of globex'])
  })
})
