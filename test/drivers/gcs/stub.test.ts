import { Storage } from '@google-cloud/storage'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { GcsStub } from '../../support/gcs-stub.js'
import { stubClient } from './stub-client.js'

const MIB = 1024 * 1024
const LARGE = Buffer.alloc(3 * MIB + 17, 'large')

/** Driver and stub have one author. That Google's own client gets on with the stub too is the counterweight. */
describe("the GCS stub serves Google's own client", () => {
  const stub = new GcsStub()
  let bucket: ReturnType<Storage['bucket']>
  beforeAll(async () => {
    await stub.start()
    bucket = stubClient(stub).bucket(stub.createBucket())
  })
  afterAll(() => stub.close())

  it.each([
    { way: 'in one request', options: { resumable: false } },
    { way: 'resumably', options: { resumable: true } },
    { way: 'resumably in chunks', options: { resumable: true, chunkSize: MIB } },
  ])('uploads $way and downloads, validated', async ({ options }) => {
    const file = bucket.file(`up/it's (1) 日本.bin`)
    // The SDK's resumable uploads forget `useAuthWithCustomEndpoint` (7.22.0) and come without a token.
    stub.isOpen = options.resumable
    await file.save(LARGE, { ...options, validation: 'crc32c', metadata: { contentType: 'image/png' } })
    stub.isOpen = false
    const [bytes] = await file.download({ validation: 'crc32c' })
    expect(bytes.equals(LARGE)).toBe(true)
    const [part] = await file.download({ start: 5, end: MIB })
    expect(part.equals(LARGE.subarray(5, MIB + 1))).toBe(true)
    const [metadata] = await file.getMetadata()
    expect(metadata).toMatchObject({ size: String(LARGE.length), contentType: 'image/png' })
  })

  it('copies, lists and deletes', async () => {
    await bucket.file('a/1').save('one', { resumable: false })
    await bucket.file('a/1').copy(bucket.file('b/2'))
    const [files] = await bucket.getFiles({ prefix: 'b/' })
    expect(files.map(file => file.name)).toEqual(['b/2'])
    await bucket.file('b/2').delete()
    await expect(bucket.file('b/2').delete()).rejects.toMatchObject({ code: 404 })
  })

  it('holds preconditions', async () => {
    const file = bucket.file('once')
    const options = { resumable: false, preconditionOpts: { ifGenerationMatch: 0 } }
    await file.save('first', options)
    await expect(file.save('second', options)).rejects.toMatchObject({ code: 412 })
  })

  it('takes its signed URLs, and no forged ones', async () => {
    await bucket.file('signed').save('hello', { resumable: false })
    const [url] = await bucket.file('signed').getSignedUrl({
      version: 'v4',
      action: 'read',
      expires: Date.now() + 60_000,
    })
    expect(await (await fetch(url)).text()).toBe('hello')
    expect((await fetch(url.replace('/signed?', '/once?'))).status).toBe(403)
  })

  it('refuses strangers and those without a token', async () => {
    const theirs = stubClient(stub, stub.stranger).bucket(bucket.name)
    await expect(theirs.file('a/1').getMetadata()).rejects.toMatchObject({ code: 403 })
    const anonymous = new Storage({ apiEndpoint: stub.endpoint }).bucket(bucket.name)
    await expect(anonymous.file('a/1').getMetadata()).rejects.toMatchObject({ code: 401 })
  })
})
