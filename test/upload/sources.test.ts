import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished, test, vi } from 'vitest'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { type FileBody, type StoreFileOptions, storeFile } from '../../src/upload/index.js'
import { isPublicAddress } from '../../src/upload/sources/public-address.js'
import { openUrl } from '../../src/upload/sources/remote-file.js'
import { tempDir } from '../support/temp-dir.js'
import { PDF, PNG } from './sample-files.js'
import { asAcme, errorOf, failOnUnhandled, keysOf, storageOver } from './support.js'

const BIG = randomBytes(700_000)
const NOW = { signal: undefined, timeout: 5 }

async function stored(body: FileBody, options: StoreFileOptions = {}, rules = {}) {
  const driver = new MemoryDriver()
  const storage = storageOver(driver)
  const file = await asAcme(() => storeFile(storage, body, { folder: 'files', ...rules }, options))
  return { file, bytes: await asAcme(() => file.bytes()), keys: await keysOf(driver) }
}

/** A server of somebody else. */
async function serverThat(answer: RequestListener) {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  onTestFinished(() => void server.close().closeAllConnections())
  const { port } = server.address() as AddressInfo
  return { server, port, host: `127.0.0.1:${port}`, url: `http://127.0.0.1:${port}` }
}

failOnUnhandled()

describe('storeFile also takes', () => {
  it('a File, with its name', async () => {
    const { file, bytes } = await stored(new File([PDF], 'order.pdf', { type: 'application/pdf' }))
    expect(file).toMatchObject({ name: 'order.pdf', size: PDF.length, type: 'application/pdf' })
    expect(bytes.equals(PDF)).toBe(true)
  })

  it('a Blob of any size, with the name of the call', async () => {
    for (const content of [Buffer.from('x'), BIG]) {
      const { file, bytes } = await stored(new Blob([content]), { name: 'a.bin' })
      expect(file.size).toBe(content.length)
      expect(bytes.equals(content)).toBe(true)
    }
  })

  it('a stream of the web', async () => {
    const { bytes } = await stored(ReadableStream.from([BIG, Buffer.from('end')]), { name: 'a.bin' })
    expect(bytes.equals(Buffer.concat([BIG, Buffer.from('end')]))).toBe(true)
  })

  it('a path, with the name and the size of the file', async () => {
    const file = path.join(tempDir(), 'scan.png')
    writeFileSync(file, PNG)
    const told: (number | undefined)[] = []
    const got = await stored({ path: file }, { onProgress: ({ total }) => told.push(total) })
    expect(got.file).toMatchObject({ name: 'scan.png', size: PNG.length, type: 'image/png' })
    expect(new Set(told)).toEqual(new Set([PNG.length]))
  })

  it('the address of another server, with the name in it', async () => {
    const { url, host } = await serverThat((_req, res) => res.end(BIG))
    const got = await stored({ url: `${url}/files/gr%C3%BCn.bin?a=b`, privateHosts: [host] })
    expect(got.file).toMatchObject({ name: 'grün.bin', size: BIG.length })
    expect(got.bytes.equals(BIG)).toBe(true)
  })
})

describe('a body that brings no name', () => {
  test.each([PNG, new Blob([PNG]), Readable.from([PNG])])('needs one', async body => {
    expect(await errorOf(stored(body))).toMatchObject({ code: 'ERR_FILE_NAME' })
  })
})

describe('a stream of the web', () => {
  it('that gives objects, is locked or fails is refused', async () => {
    const locked = ReadableStream.from([PNG])
    locked.getReader()
    const failing = new ReadableStream({ pull: controller => controller.error(new Error('broken')) })
    const name = { name: 'a.bin' }
    expect(await errorOf(stored(ReadableStream.from([{}]), name))).toMatchObject({ code: 'ERR_CONFIG' })
    expect(await errorOf(stored(locked, name))).toMatchObject({ code: 'ERR_CONFIG' })
    expect(await errorOf(stored(failing, name))).toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
  })

  it('is cancelled when the file is too large', async () => {
    let cancelled = false
    const endless = new ReadableStream({
      pull: controller => controller.enqueue(BIG),
      cancel: () => {
        cancelled = true
      },
    })
    const error = await errorOf(stored(endless, { name: 'a.bin' }, { maxSize: '2mb' }))
    expect(error).toMatchObject({ code: 'ERR_FILE_TOO_LARGE' })
    await expect.poll(() => cancelled).toBe(true)
  })
})

describe('a path', () => {
  it('to nothing, a folder or a device is refused', async () => {
    const folder = path.join(tempDir(), 'folder')
    mkdirSync(folder)
    for (const wrong of [path.join(folder, 'nothing'), folder, '/dev/zero'])
      expect(await errorOf(stored({ path: wrong }))).toMatchObject({ code: 'ERR_SOURCE_FAILED' })
  })

  it('to a file that is too large is refused by its size', async () => {
    const file = path.join(tempDir(), 'a.bin')
    writeFileSync(file, BIG)
    expect(await errorOf(stored({ path: file }, {}, { maxSize: 699_999 }))).toMatchObject({
      code: 'ERR_FILE_TOO_LARGE',
    })
  })
})

describe('only public addresses are asked', () => {
  test.each([
    '127.0.0.1',
    '127.9.9.9',
    '0.0.0.0',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '192.0.0.192',
    '198.18.0.1',
    '192.0.2.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:169.254.169.254',
    '::127.0.0.1',
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'fc00::1',
    'fd00:ec2::254',
    'ff02::1',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::a9fe:a9fe',
    '2002:7f00:1::',
    '2001:0:7f00:1::',
    '2001:db8::1',
    '100::1',
    'localhost',
    '',
  ])('%s is none', address => {
    expect(isPublicAddress(address)).toBe(false)
  })

  test.each(['1.1.1.1', '8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700:4700::1111'])(
    '%s is one',
    address => {
      expect(isPublicAddress(address)).toBe(true)
    },
  )

  test.each([
    'http://127.0.0.1:$/',
    'http://localhost:$/',
    'http://[::1]:$/',
    'http://[::ffff:127.0.0.1]:$/',
    'http://0x7f.1:$/',
    'http://2130706433:$/',
    'http://0177.0.0.1:$/',
    'http://127.1:$/',
    'http://0:$/',
    'http://ⓛocalhost:$/',
  ])('%s is refused, and the server is not asked', async address => {
    let asked = 0
    const { port } = await serverThat((_req, res) => {
      asked++
      res.end('secret')
    })
    const error = await errorOf(stored({ url: address.replace('$', String(port)) }, { name: 'a.txt' }))
    expect(error).toMatchObject({ code: 'ERR_SOURCE_REFUSED', status: 400 })
    expect(error.message).not.toContain('127.0.0.1')
    expect(asked).toBe(0)
  })

  it('also where a name has a public and a private one', async () => {
    const both: Parameters<typeof openUrl>[2] = (_name, _options, callback) =>
      callback(null, [
        { address: '1.1.1.1', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ])
    const { port } = await serverThat((_req, res) => res.end('secret'))
    const error = await errorOf(openUrl({ url: `http://two.example:${port}/a.txt` }, NOW, both))
    expect(error).toMatchObject({ code: 'ERR_SOURCE_REFUSED' })
  })

  it('also where a name that may be private redirects to another', async () => {
    const inside = await serverThat((_req, res) => res.end('secret'))
    const { url, host } = await serverThat((_req, res) => res.writeHead(302, { location: inside.url }).end())
    const error = await errorOf(stored({ url, privateHosts: [host] }, { name: 'a.txt' }))
    expect(error).toMatchObject({ code: 'ERR_SOURCE_REFUSED' })
  })

  it('and the address that was checked is the one that is asked', async () => {
    const { port } = await serverThat((_req, res) => res.end('hello'))
    const asked: string[] = []
    const once: Parameters<typeof openUrl>[2] = (name, _options, callback) => {
      asked.push(name)
      callback(null, [{ address: '127.0.0.1', family: 4 }])
    }
    const privateHosts = ['rebinding.example']
    const { source } = await openUrl(
      { url: `http://rebinding.example:${port}/a.txt`, privateHosts },
      NOW,
      once,
    )
    expect(Buffer.concat(await (source as Readable).toArray()).toString()).toBe('hello')
    expect(asked).toEqual(['rebinding.example'])
  })
})

describe('a URL', () => {
  test.each([
    'ftp://example.org/a',
    'file:///etc/passwd',
    'data:text/plain,a',
    'http://user:secret@example.org/',
    'no url',
    '',
  ])('%s is refused', async url => {
    expect(await errorOf(stored({ url }, { name: 'a.txt' }))).toMatchObject({ code: 'ERR_SOURCE_REFUSED' })
  })

  it('is followed through redirects, and not through too many', async () => {
    const { url, host } = await serverThat((req, res) => {
      const left = Number(req.url?.slice(1))
      if (left > 0) res.writeHead(307, { location: `/${left - 1}` }).end()
      else res.end('there')
    })
    const store = (hops: number) => stored({ url: `${url}/${hops}`, privateHosts: [host] }, { name: 'a.txt' })
    expect((await store(5)).bytes.toString()).toBe('there')
    expect(await errorOf(store(6))).toMatchObject({ code: 'ERR_SOURCE_REFUSED' })
  })

  it.each(['javascript:1', 'ftp://files.example/a', 'http://user:word@files.example/', 'http://[::1]/'])(
    'that redirects to %s holds no connection',
    async location => {
      const { url, host, server } = await serverThat((_req, res) => {
        res.writeHead(302, { location, 'content-length': 1_000_000 }).write('more would come')
      })
      const got = await errorOf(stored({ url, privateHosts: [host] }, { name: 'a.txt' }))
      expect(got).toMatchObject({ code: 'ERR_SOURCE_REFUSED' })
      const connections = () => promisify(server.getConnections.bind(server))()
      await vi.waitFor(async () => expect(await connections()).toBe(0))
    },
  )

  test.each<[string, RequestListener, string]>([
    ['404', (_req, res) => res.writeHead(404).end(), 'ERR_SOURCE_FAILED'],
    [
      'a compressed file',
      (_req, res) => res.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
      'ERR_SOURCE_FAILED',
    ],
    [
      'a file that is compressed on its way',
      (_req, res) =>
        res.socket?.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n'),
      'ERR_SOURCE_FAILED',
    ],
    [
      'another protocol',
      (_req, res) => res.socket?.write('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
      'ERR_SOURCE_FAILED',
    ],
    [
      'two lengths',
      (_req, res) => res.socket?.end('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx'),
      'ERR_SOURCE_FAILED',
    ],
    [
      'a reset within a file of no length',
      ({ socket }) => {
        socket.write('HTTP/1.1 200 OK\r\n\r\nx')
        setTimeout(() => socket.resetAndDestroy(), 20)
      },
      'ERR_UPLOAD_ABORTED',
    ],
    ['a cut connection', req => void req.socket.destroy(), 'ERR_SOURCE_FAILED'],
    [
      'a file that ends early',
      (_req, res) => {
        res.writeHead(200, { 'content-length': '1000' }).write('x')
        setTimeout(() => res.destroy(), 20)
      },
      'ERR_UPLOAD_ABORTED',
    ],
    ['nothing', () => {}, 'ERR_UPLOAD_TIMEOUT'],
    ['the start of a file', (_req, res) => void res.write('x'), 'ERR_UPLOAD_TIMEOUT'],
    [
      'a redirect to nowhere',
      (_req, res) => res.writeHead(302, { location: 'gopher://x' }).end(),
      'ERR_SOURCE_REFUSED',
    ],
    [
      'more than was allowed',
      (_req, res) => void res.writeHead(200, { 'content-length': '99999999' }).write('x'),
      'ERR_FILE_TOO_LARGE',
    ],
    [
      'more than was allowed, without a length',
      (_req, res) => void res.write(Buffer.alloc(2_000_000)),
      'ERR_FILE_TOO_LARGE',
    ],
  ])('whose server answers %s is a clear error', async (_what, answer, code) => {
    const { url, host } = await serverThat(answer)
    const options = { name: 'a.txt', idleTimeout: 0.2 }
    const error = await errorOf(stored({ url, privateHosts: [host] }, options, { maxSize: '1mb' }))
    expect(error).toMatchObject({ code })
  })

  test.each([
    { maxRedirects: Number.NaN },
    { maxRedirects: -1 },
    { privateHosts: 'files.intranet' as unknown as string[] },
    { privateHosts: [1 as unknown as string] },
  ])('with options that are none, %j, is a clear error', async options => {
    const error = await errorOf(stored({ url: 'http://127.0.0.1/a', ...options }, { name: 'a.txt' }))
    expect(error).toMatchObject({ code: 'ERR_CONFIG' })
  })

  test.each([Number.NaN, 0, Number.POSITIVE_INFINITY])(
    'with an idleTimeout of %d is not asked',
    async time => {
      const error = await errorOf(stored({ url: 'http://127.0.0.1/a' }, { name: 'a', idleTimeout: time }))
      expect(error).toMatchObject({ code: 'ERR_CONFIG' })
    },
  )

  it('may name a private host with the port that it has anyway', async () => {
    const { port } = await serverThat((_req, res) => res.end('hello'))
    const error = await errorOf(openUrl({ url: 'http://127.0.0.1/a', privateHosts: ['127.0.0.1:80'] }, NOW))
    expect([port > 80, error.code]).toEqual([true, 'ERR_SOURCE_FAILED']) // asked, and nobody is there
  })

  it('whose name is never found is given up in time', async () => {
    const error = await errorOf(openUrl({ url: 'http://slow.example/a' }, { ...NOW, timeout: 0.1 }, () => {}))
    expect(error).toMatchObject({ code: 'ERR_UPLOAD_TIMEOUT' })
  })

  it('is given up when the signal aborts', async () => {
    const { url, host } = await serverThat(() => {})
    const options = { name: 'a.txt', signal: AbortSignal.timeout(50) }
    const error = await errorOf(stored({ url, privateHosts: [host] }, options))
    expect(error).toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
  })

  it('is not asked without a tenant', async () => {
    let asked = 0
    const { url, host } = await serverThat((_req, res) => {
      asked++
      res.end('x')
    })
    const body = { url, privateHosts: [host] }
    const error = await errorOf(
      storeFile(storageOver(new MemoryDriver()), body, { folder: 'f' }, { name: 'a' }),
    )
    expect([error.code, asked]).toEqual(['ERR_TENANT_REQUIRED', 0])
  })
})
