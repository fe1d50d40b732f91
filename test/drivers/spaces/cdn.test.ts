import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { S3Driver } from '../../../src/drivers/s3/index.js'
import { SpacesDriver } from '../../../src/drivers/spaces/index.js'
import { curl } from '../../support/curl.js'
import { createBucket, describeWithS3, s3Connection } from '../../support/s3.js'

const CDN = 'files.acme.example'

/** Plays the CDN towards its origin: it asks under the bucket's own name, which the URL was signed for. */
function startCdn(originHost: () => string, port: () => string): Promise<Server> {
  const server = createServer((req, res) => {
    const headers = { ...req.headers, host: originHost() }
    const target = { hostname: '127.0.0.1', port: port(), method: req.method, path: req.url, headers }
    const onward = request(target, answer => {
      res.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(res)
    })
    onward.on('error', () => res.destroy())
    req.pipe(onward)
  })
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(server)))
}

describeWithS3('a signed URL of Spaces on its CDN', () => {
  let bucket: string
  let driver: SpacesDriver
  let cdn: Server
  const port = () => new URL(s3Connection().endpoint).port
  const bytes = Buffer.from('%PDF-1.7 the invoice')

  beforeAll(async () => {
    const { endpoint, accessKeyId, secretAccessKey } = s3Connection()
    const credentials = { accessKeyId, secretAccessKey }
    bucket = await createBucket('cdn')
    // by path, since `bucket.s3.localhost` does not resolve everywhere
    await new S3Driver({ bucket, endpoint, credentials }).put('media/acme/a b.pdf', bytes, {
      contentType: 'application/pdf',
    })
    driver = new SpacesDriver({
      bucket,
      region: 'nyc3',
      endpoint: `http://s3.localhost:${port()}`,
      cdnEndpoint: CDN,
      credentials,
    })
    await driver.ready()
    cdn = await startCdn(() => `${bucket}.s3.localhost:${port()}`, port)
  })
  afterAll(async () => {
    cdn?.closeAllConnections()
    cdn?.close()
    await driver?.close()
  })

  /** Asks the CDN of this test as a browser asks the one in the URL. */
  const fetchFrom = (url: string) => {
    const { host, pathname, search } = new URL(url)
    expect(host).toBe(CDN)
    return curl(`http://127.0.0.1:${(cdn.address() as AddressInfo).port}${pathname}${search}`)
  }

  it('is accepted by the bucket behind it, with the headers that were asked for', async () => {
    const url = driver.signUrl('media/acme/a b.pdf', {
      ...{ method: 'GET', expiresIn: 60, at: Date.now() },
      ...{ contentDisposition: 'attachment; filename="invoice.pdf"', contentType: 'application/pdf' },
    })
    const { status, headers, body } = await fetchFrom(url)
    expect(status).toBe(200)
    expect(body).toEqual(bytes)
    expect(headers['content-disposition']).toBe('attachment; filename="invoice.pdf"')
  })

  it('opens no other object', async () => {
    const url = driver.signUrl('media/acme/a b.pdf', { method: 'GET', expiresIn: 60, at: Date.now() })
    expect((await fetchFrom(url.replace('a%20b.pdf', 'c.pdf'))).status).toBe(403)
  })
})
