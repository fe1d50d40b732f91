import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PutBucketPolicyCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createStorage, runAsSystem, runWithTenant, type Storage } from '../../src/core/index.js'
import { AzureDriver } from '../../src/drivers/azure/index.js'
import { CloudFrontSigner } from '../../src/drivers/cloudfront/index.js'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { storeFile } from '../../src/upload/index.js'
import { azureConnection, createContainer, describeWithAzurite } from '../support/azure.js'
import { createBucket, describeWithS3, s3Client, s3Connection } from '../support/s3.js'

/** Plays a CDN: asks the origin under the origin's own name, and remembers what it has until it is purged. */
class Cdn {
  readonly #cache = new Map<string, { status: number; headers: Record<string, unknown>; body: Buffer }>()
  readonly #server: Server
  asked = 0

  constructor(origin: URL) {
    this.#server = createServer((req, res) => {
      const known = this.#cache.get(req.url ?? '')
      if (known !== undefined) return void res.writeHead(known.status, known.headers as never).end(known.body)
      this.asked += 1
      const headers = { ...req.headers, host: origin.host }
      const target = {
        hostname: origin.hostname,
        port: origin.port,
        method: req.method,
        path: req.url,
        headers,
      }
      const onward = request(target, async answer => {
        const body = Buffer.concat(await answer.toArray())
        const kept = { status: answer.statusCode ?? 502, headers: answer.headers, body }
        if (kept.status === 200) this.#cache.set(req.url ?? '', kept)
        res.writeHead(kept.status, kept.headers).end(body)
      })
      onward.on('error', () => res.destroy())
      req.pipe(onward)
    })
  }

  async start(): Promise<this> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    return this
  }

  get host(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  purge = async (urls: readonly string[]): Promise<void> => {
    for (const url of urls) this.#cache.delete(new URL(url).pathname)
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

const PDF = Buffer.from('%PDF-1.7\nthe invoice\n')
const asAcme = <T>(fn: () => T) => runWithTenant('acme', fn)

describeWithS3('a CDN in front of Ceph', () => {
  let cdn: Cdn
  let storage: Storage
  let bucket: string
  beforeAll(async () => {
    const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
    cdn = await new Cdn(new URL(endpoint)).start()
    bucket = await createBucket('cdn')
    const Statement = ['public-media', 'static'].map(location => ({
      Effect: 'Allow',
      Principal: '*',
      Action: 's3:GetObject',
      Resource: `arn:aws:s3:::${bucket}/${location}/*`,
    }))
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
    await s3Client().send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))
    const credentials = { accessKeyId, secretAccessKey }
    const open = { mode: 'public', host: cdn.host, purge: cdn.purge } as const
    storage = createStorage({
      secret: 'a secret of the tests',
      backends: { s3: new S3Driver({ bucket, endpoint, region, credentials }) },
      disks: {
        media: {
          location: 'media',
          visibility: 'private',
          tenancy: 'required',
          cdn: { mode: 'origin-signed', host: cdn.host },
        },
        'public-media': { location: 'public-media', visibility: 'public', tenancy: 'required', cdn: open },
        static: { location: 'static', visibility: 'public', tenancy: 'none', overwrite: 'allow', cdn: open },
      },
    })
    await storage.ready()
  })
  afterAll(async () => {
    cdn?.close()
    await storage?.close()
  })

  it('serves a public file at a permanent address, from its cache, for a year', async () => {
    const rules = { disk: 'public-media', folder: 'blog' }
    const file = await asAcme(() => storeFile(storage, PDF, rules, { name: 'a b.pdf' }))
    expect(file.url).toMatch(new RegExp(`^${cdn.host}/${bucket}/public-media/acme/blog/[^?]+\\.pdf$`))
    const before = cdn.asked
    for (let i = 0; i < 3; i++) {
      const answer = await fetch(file.url)
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(PDF)
      expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
      expect(answer.headers.get('content-disposition')).toBe('inline; filename="a b.pdf"')
    }
    expect(cdn.asked - before).toBe(1)
  })

  it('serves public active content as an attachment', async () => {
    const rules = { disk: 'public-media', folder: 'blog', accept: ['image/svg+xml'] }
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
    const file = await asAcme(() => storeFile(storage, svg, rules, { name: 'logo.svg' }))
    expect((await fetch(file.url)).headers.get('content-disposition')).toBe('attachment; filename="logo.svg"')
  })

  it('serves a private file by a signature that its origin accepts, once for all who ask inside of a window', async () => {
    const file = await asAcme(() => storeFile(storage, PDF, { folder: 'orders' }, { name: 'order.pdf' }))
    const url = asAcme(() => file.url)
    expect(url.startsWith(`${cdn.host}/${bucket}/media/acme/orders/`)).toBe(true)
    const before = cdn.asked
    for (let i = 0; i < 2; i++) expect((await fetch(asAcme(() => file.url))).status).toBe(200)
    expect(cdn.asked - before).toBe(1)
    const tampered = url.replace(
      /(X-Amz-Signature=)(.)/,
      (_, name, first) => name + (first === '0' ? '1' : '0'),
    )
    expect((await fetch(tampered)).status).toBe(403)
    expect((await fetch(url.split('?')[0] ?? '')).status).toBe(403)
  })

  it('forgets what was replaced and what was deleted', async () => {
    const disk = storage.disk('static')
    const write = (text: string) =>
      runAsSystem('a deployment', () => disk.put('app.css', Buffer.from(text), { contentType: 'text/css' }))
    const read = async () => {
      const answer = await fetch(disk.url('app.css'))
      return answer.status === 200 ? answer.text() : answer.status
    }
    await write('a{}')
    expect(await read()).toBe('a{}')
    await write('b{}')
    expect(await read()).toBe('b{}')
    await runAsSystem('a deployment', () => disk.delete('app.css'))
    expect(await read()).not.toBe('b{}')
  })
})

describeWithAzurite('a domain of the own in front of azurite', () => {
  it('serves private files by their SAS', async () => {
    const container = await createContainer('cdn')
    const cdn = await new Cdn(new URL(azureConnection().endpoint)).start()
    const storage = createStorage({
      secret: 'a secret of the tests',
      backends: { azure: new AzureDriver({ container: container.containerName, ...azureConnection() }) },
      disks: {
        media: {
          location: 'media',
          visibility: 'private',
          tenancy: 'required',
          cdn: { mode: 'origin-signed', host: cdn.host },
        },
      },
    })
    try {
      await storage.ready()
      const file = await asAcme(() => storeFile(storage, PDF, { folder: 'orders' }, { name: 'order.pdf' }))
      const url = asAcme(() => file.url)
      expect(url.startsWith(cdn.host)).toBe(true)
      const answer = await fetch(url)
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(PDF)
      expect((await fetch(url.replace(/&sig=[^&]+/, '&sig=AAAA'))).status).toBe(403)
    } finally {
      cdn.close()
      await storage.close()
    }
  })
})

describe('CloudFront in front of S3', () => {
  it('gets addresses that its public key proves, with the life and headers of our own rules', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const signer = new CloudFrontSigner({ keyPairId: 'K2JCJMDEHXQW5F', privateKey })
    const credentials = { accessKeyId: 'AKEXAMPLE', secretAccessKey: 'secret' }
    const storage = createStorage({
      secret: 'a secret of the tests',
      backends: { s3: new S3Driver({ bucket: 'files', region: 'eu-central-1', credentials }) },
      disks: {
        media: {
          location: 'media',
          visibility: 'private',
          tenancy: 'required',
          cdn: { mode: 'cloudfront', host: 'files.acme.example', signer },
        },
      },
    })
    await storage.ready()
    const facts = { name: 'Prüfung (1).pdf', type: 'application/pdf' }
    const url = asAcme(() => storage.disk('media').signedUrl('orders/a b.pdf', { expiresIn: 600 }, facts))
    const { origin, pathname, searchParams } = new URL(url)
    expect(origin + pathname).toBe('https://files.acme.example/media/acme/orders/a%20b.pdf')
    expect(searchParams.get('response-content-disposition')).toContain("filename*=UTF-8''Pr%C3%BCfung")

    const [signed = ''] = url.split('&Expires=')
    const expires = Number(searchParams.get('Expires'))
    expect(expires - Date.now() / 1000).toBeGreaterThan(299)
    expect(expires - Date.now() / 1000).toBeLessThanOrEqual(600)
    const policy = `{"Statement":[{"Resource":"${signed}","Condition":{"DateLessThan":{"AWS:EpochTime":${expires}}}}]}`
    const signature = Buffer.from(
      (searchParams.get('Signature') ?? '').replaceAll('-', '+').replaceAll('_', '=').replaceAll('~', '/'),
      'base64',
    )
    expect(
      verify(
        'sha1',
        Buffer.from(policy),
        createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })),
        signature,
      ),
    ).toBe(true)
    await storage.close()
  })
})
