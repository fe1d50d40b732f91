import 'reflect-metadata'
import { GetObjectCommand, ListBucketsCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { Client } from 'pg'
import { Column, DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { describe, expect, it } from 'vitest'
import { curl } from './curl.js'
import { describeWithMariadb, freshMariadb } from './mariadb.js'
import { describeWithPostgres, freshDatabase } from './postgres.js'
import { createBucket, describeWithS3, listAllKeys, listOpenUploads, s3Client, s3Connection } from './s3.js'
import { sqliteOptions } from './sqlite.js'

@Entity()
class Note {
  @PrimaryGeneratedColumn()
  id!: number

  // no type given: TypeORM takes it from the decorator's metadata
  @Column()
  text!: string
}

async function savesANote(dataSource: DataSource): Promise<void> {
  await dataSource.initialize()
  try {
    const saved = await dataSource.getRepository(Note).save({ text: 'hello' })
    expect(await dataSource.getRepository(Note).findOneByOrFail({ id: saved.id })).toMatchObject({
      text: 'hello',
    })
  } finally {
    await dataSource.destroy()
  }
}

describeWithS3('the S3 server of the tests', () => {
  it('stores, lists and returns an object in a fresh bucket', async () => {
    const bucket = await createBucket()
    expect(await listAllKeys(bucket)).toEqual([])
    await s3Client().send(new PutObjectCommand({ Bucket: bucket, Key: 'a/b.txt', Body: 'hello' }))
    expect(await listAllKeys(bucket)).toEqual(['a/b.txt'])
    const object = await s3Client().send(new GetObjectCommand({ Bucket: bucket, Key: 'a/b.txt' }))
    expect(await object.Body?.transformToString()).toBe('hello')
    expect(await listOpenUploads(bucket)).toEqual([])
  })

  it('refuses a wrong secret', async () => {
    const { endpoint, region, accessKeyId } = s3Connection()
    const credentials = { accessKeyId, secretAccessKey: 'wrong' }
    const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
    const list = client.send(new ListBucketsCommand({}))
    await expect(list).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' })
  })

  it('gives a stranger with a signed URL that object and nothing else', async () => {
    const bucket = await createBucket()
    await s3Client().send(
      new PutObjectCommand({ Bucket: bucket, Key: 'a.txt', Body: 'hello', ContentType: 'text/plain' }),
    )
    const url = await getSignedUrl(s3Client(), new GetObjectCommand({ Bucket: bucket, Key: 'a.txt' }))
    const response = await curl(url)
    expect([response.status, response.headers['content-type'], response.body.toString()]).toEqual([
      200,
      'text/plain',
      'hello',
    ])
    expect((await curl(url.replace('a.txt', 'b.txt'))).status).toBe(403)
    expect((await curl(url, { method: 'HEAD' })).status).toBe(403)
    expect((await curl(url.replace(/\?.*/, ''))).status).toBe(403)
  })

  it("refuses the second user in the first one's bucket", async () => {
    const bucket = await createBucket()
    const { endpoint, region, other } = s3Connection()
    const client = new S3Client({ endpoint, region, credentials: other, forcePathStyle: true })
    const get = client.send(new GetObjectCommand({ Bucket: bucket, Key: 'x' }))
    await expect(get).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } })
  })
})

describeWithPostgres('the PostgreSQL of the tests', () => {
  it('runs TypeORM on a fresh database', async () => {
    const { url, drop } = await freshDatabase()
    await savesANote(new DataSource({ type: 'postgres', url, entities: [Note], synchronize: true }))
    await drop()
  })

  it('compares text by the rules of a language unless told otherwise', async () => {
    const { url, drop } = await freshDatabase()
    const client = new Client(url)
    await client.connect()
    const { rows } = await client.query(`SELECT 'a' < 'B' AS linguistic, 'a' COLLATE "C" < 'B' AS bytewise`)
    expect(rows).toEqual([{ linguistic: true, bytewise: false }])
    await client.end()
    await drop()
  })

  it('gives every caller a database of its own', async () => {
    const [one, two] = await Promise.all([freshDatabase(), freshDatabase()])
    expect(one.database).not.toBe(two.database)
    await Promise.all([one.drop(), two.drop()])
  })
})

describe('the SQLite of the tests', () => {
  it('runs TypeORM on libsql', async () => {
    await savesANote(new DataSource({ ...sqliteOptions(), entities: [Note], synchronize: true }))
  })
})

describeWithMariadb('the MariaDB of the tests', () => {
  it('runs TypeORM on a fresh database', async () => {
    const { url } = await freshMariadb()
    await savesANote(new DataSource({ type: 'mariadb', url, entities: [Note], synchronize: true }))
  })

  it('compares text without regard to case unless told otherwise', async () => {
    const dataSource = new DataSource({ type: 'mariadb', url: (await freshMariadb()).url })
    await dataSource.initialize()
    expect(await dataSource.query(`SELECT 'a' = 'A' AS same`)).toEqual([{ same: 1 }])
    await dataSource.destroy()
  })
})
