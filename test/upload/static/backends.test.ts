import { rmSync } from 'node:fs'
import path from 'node:path'
import express from 'express'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createStorage, type Driver, runAsSystem, type Storage } from '../../../src/core/index.js'
import { GcsDriver } from '../../../src/drivers/gcs/index.js'
import { LocalDriver } from '../../../src/drivers/local/index.js'
import { S3Driver } from '../../../src/drivers/s3/index.js'
import { serveFiles } from '../../../src/express/index.js'
import { pushStatic, staticUrls } from '../../../src/upload/index.js'
import { driverOn } from '../../drivers/azure/driver-on-azurite.js'
import { stubClient } from '../../drivers/gcs/stub-client.js'
import { listen } from '../../integration/http.js'
import { createContainer, describeWithAzurite } from '../../support/azure.js'
import { GcsStub } from '../../support/gcs-stub.js'
import { createBucket, describeWithS3, s3Connection } from '../../support/s3.js'
import { tempDir } from '../../support/temp-dir.js'
import { SECRET } from '../support.js'
import { BUILD, folderOf, write } from './folder.js'

const MIB = 1024 * 1024

describe('static files on the local disk', () => {
  pushesTruthfully(async () => new LocalDriver({ root: tempDir() }))
})

describeWithS3('static files on Ceph', () => {
  pushesTruthfully(async () => {
    const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
    const credentials = { accessKeyId, secretAccessKey }
    const bucket = await createBucket('static')
    return new S3Driver({ bucket, endpoint, region, credentials, partSize: 5 * MIB })
  })
})

describeWithAzurite('static files on azurite', () => {
  pushesTruthfully(async () => driverOn(await createContainer('static'), { blockSize: 5 * MIB }))
})

describe('static files on a GCS stub', () => {
  pushesTruthfully(async () => {
    const stub = new GcsStub()
    await stub.start()
    afterAll(() => stub.close())
    return new GcsDriver({ bucket: stub.createBucket(), client: stubClient(stub), chunkSize: 5 * MIB })
  })
})

function pushesTruthfully(makeDriver: () => Promise<Driver>): void {
  let storage: Storage
  let prefix = ''
  let counter = 0
  beforeAll(async () => {
    storage = createStorage({ secret: SECRET, backends: { main: await makeDriver() } })
    await storage.ready()
    return () => storage.close()
  })

  /** A build that was pushed, below a prefix of its own. */
  async function pushed() {
    prefix = `test-${counter++}/`
    const folder = folderOf(BUILD)
    await pushStatic(storage, folder, { prefix })
    return folder
  }
  const push = (folder: string, options = {}) => pushStatic(storage, folder, { prefix, ...options })
  const disk = <T>(use: (disk: ReturnType<Storage['disk']>) => T): T =>
    runAsSystem('arrange a test', () => use(storage.disk('static')))

  it('are not uploaded twice', async () => {
    const folder = await pushed()
    expect(await push(folder)).toMatchObject({ uploaded: 0, unchanged: 6 })
  })

  it('are not uploaded twice either where one is so large that it goes in parts', async () => {
    const folder = await pushed()
    write(folder, { 'large.js': 'x'.repeat(11 * MIB) })
    expect(await push(folder)).toMatchObject({ uploaded: 1, bytes: 11 * MIB })
    expect(await push(folder)).toMatchObject({ uploaded: 0, unchanged: 7 })
  })

  it('are uploaded again where one changed within its size and second, here or there', async () => {
    const folder = await pushed()
    write(folder, { 'robots.txt': 'User-agent: x' })
    await disk(static_ =>
      static_.put(`${prefix}index.html`, Buffer.from('x'.repeat(BUILD['index.html'].length)), {
        contentType: 'text/html',
      }),
    )
    expect(await push(folder)).toMatchObject({ uploaded: 2, unchanged: 4 })
  })

  it('are uploaded again where somebody deleted one', async () => {
    const folder = await pushed()
    await disk(static_ => static_.delete(`${prefix}index.html`))
    expect(await push(folder)).toMatchObject({ uploaded: 1, unchanged: 5 })
  })

  it('are deleted when they are stale and that is asked for, and no others', async () => {
    const folder = await pushed()
    rmSync(path.join(folder, 'assets/app-BxY3k9aQ.css'))
    expect(await push(folder, { stale: 'delete', staleAfter: 0 })).toMatchObject({ removed: 1, stale: 0 })
    const keys: string[] = []
    for await (const { key } of storage.disk('static').list(prefix)) keys.push(key.slice(prefix.length))
    expect(keys).toEqual([
      '.push-static.json',
      'assets/app-C9xZ0aBq.js',
      'assets/logo.svg',
      'empty.json',
      'index.html',
      'robots.txt',
    ])
  })

  it('come with type, charset and cache policy from their permanent address', async () => {
    await pushed()
    const app = express()
    app.use('/files', serveFiles(storage))
    const { url } = await listen(app)
    const asset = staticUrls(storage, { prefix })
    const css = await fetch(new URL(asset('assets/app-BxY3k9aQ.css'), url))
    expect(await css.text()).toBe(BUILD['assets/app-BxY3k9aQ.css'])
    expect(Object.fromEntries(css.headers)).toMatchObject({
      'content-type': 'text/css; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
    })
    const js = await fetch(new URL(asset('assets/app-C9xZ0aBq.js'), url))
    expect(await js.text()).toBe(BUILD['assets/app-C9xZ0aBq.js'])
    expect(js.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
    const page = await fetch(new URL(asset('index.html'), url))
    expect(page.headers.get('content-disposition')).toMatch(/^attachment/)
    expect(page.headers.get('cache-control')).toBe('public, max-age=60, must-revalidate')
  })
}
