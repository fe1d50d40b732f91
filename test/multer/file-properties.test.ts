import { GetObjectCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3'
import type {} from 'multer-s3'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { createStorage, type StoredFile } from '../../src/core/index.js'
import { LocalDriver } from '../../src/drivers/local/index.js'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { createBucket, describeWithS3, s3Client, s3Connection } from '../support/s3.js'
import { tempDir } from '../support/temp-dir.js'
import { PDF } from '../upload/sample-files.js'
import { failOnUnhandled, SECRET } from '../upload/support.js'
import { file, serveUploads } from './upload-app.js'

failOnUnhandled()

type Served = Parameters<typeof createStorage>[0]

async function upload(options: Omit<Served, 'secret'>, disk: string): Promise<Express.Multer.File> {
  const storage = createStorage({ secret: SECRET, ...options })
  await storage.ready()
  let seen: Express.Multer.File | undefined
  const app = await serveUploads(storage, {
    rules: { folder: 'blog', disk },
    route: each => each.single('a'),
    handler: (req, res) => {
      seen = req.file
      res.end()
    },
  })
  expect((await app.send([file('a', 'Prüfung.pdf', PDF)])).status).toBe(200)
  await storage.close()
  if (seen === undefined) throw new Error('no file')
  return seen
}

describe('the properties that multer-s3 has', () => {
  it('are those of the object, on the local disk', async () => {
    const local = { backends: { local: new LocalDriver({ root: tempDir() }) } }
    const priv = await upload(local, 'media')
    expect(priv).toMatchObject({
      key: `media/acme/${priv.stored.key}`,
      contentType: 'application/pdf',
      size: PDF.length,
      etag: expect.any(String),
    })
    expect(priv.bucket).toBe(undefined)
  })

  it('hold no address of a private file, and the permanent one of a public file', async () => {
    const local = { backends: { local: new LocalDriver({ root: tempDir() }) } }
    const { location } = await upload(local, 'media')
    expect(location).toBe(undefined)
    const open = await upload(local, 'public-media')
    expect(open.location).toBe(open.stored.url)
    expect(open.location).toBe(`/files/local/public-media/acme/${open.stored.key}`)
    expect(open.contentDisposition).toMatch(/^inline; filename="Prufung.pdf"; filename\*=/)
  })

  it('have types, which do not say that they are always there', () => {
    expectTypeOf<Express.Multer.File['stored']>().toEqualTypeOf<StoredFile>()
    expectTypeOf<Express.Multer.File['key']>().toEqualTypeOf<string>()
    expectTypeOf<Express.Multer.File['location']>().toEqualTypeOf<string | undefined>()
    expectTypeOf<Express.Multer.File['bucket']>().toEqualTypeOf<string | undefined>()
    expectTypeOf<Express.Multer.File['versionId']>().toEqualTypeOf<string | undefined>()
    // the types of multer-s3 go on compiling beside ours
    expectTypeOf<Express.MulterS3.File>().toExtend<Express.Multer.File>()
  })

  describeWithS3('on a real S3 server', () => {
    it('are what the server itself says', async () => {
      const bucket = await createBucket('properties')
      await s3Client().send(
        new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } }),
      )
      const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
      const spaces = new S3Driver({
        bucket,
        endpoint,
        region,
        credentials: { accessKeyId, secretAccessKey },
        storageClasses: ['STANDARD'],
      })
      const disks = {
        media: {
          location: 'media',
          visibility: 'private',
          tenancy: 'required',
          storageClass: 'STANDARD',
        },
      } as const
      const got = await upload({ backends: { spaces }, disks }, 'media')
      expect([got.bucket, got.storageClass]).toEqual([bucket, 'STANDARD'])
      // as applications written for multer-s3 read it back
      const object = await s3Client().send(
        new GetObjectCommand({ Bucket: got.bucket, Key: got.key, VersionId: got.versionId }),
      )
      expect([object.ETag, object.VersionId, object.ContentType, object.ContentLength]).toEqual([
        got.etag,
        got.versionId,
        got.contentType,
        got.size,
      ])
      expect(got.versionId).toEqual(expect.any(String))
      expect(Buffer.from((await object.Body?.transformToByteArray()) ?? []).equals(PDF)).toBe(true)
    })
  })
})
