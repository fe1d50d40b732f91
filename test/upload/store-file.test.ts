import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { describe, expect, it, test } from 'vitest'
import { runAsSystem, StorageError } from '../../src/core/index.js'
import { LocalDriver } from '../../src/drivers/local/index.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { storeFile } from '../../src/upload/index.js'
import { tempDir } from '../support/temp-dir.js'
import { PDF, padded } from './sample-files.js'
import { asAcme, errorOf, eventsOf, keysOf, storageOver, WatchedDriver } from './support.js'

const RULES = { folder: 'files' }
const NAME = { name: 'a.txt' }
/** Random bytes may begin with any magic number, and this name fits all of them. */
const RANDOM = { name: 'a.bin' }
const sha256 = (body: Uint8Array): string => createHash('sha256').update(body).digest('hex')

/** The same bytes in pieces, as a stream of bytes. */
function inPieces(body: Buffer, size: number): Readable {
  const pieces: Buffer[] = []
  for (let at = 0; at < body.length; at += size) pieces.push(body.subarray(at, at + size))
  return Readable.from(pieces, { objectMode: false })
}

async function stored(body: Uint8Array | Readable, rules = {}, options = {}) {
  const driver = new MemoryDriver()
  const storage = storageOver(driver)
  const file = await asAcme(() => storeFile(storage, body, { ...RULES, ...rules }, { ...NAME, ...options }))
  return { file, storage, keys: await keysOf(driver), bytes: await asAcme(() => file.bytes()) }
}

describe('storeFile stores', () => {
  const body = Buffer.from('some text, 报告')

  test.each([
    ['a Buffer', () => body],
    ['a Uint8Array', () => new Uint8Array(body)],
    [
      'a view into a larger array',
      () => new Uint8Array(new Uint8Array([...body, ...body, 0]).buffer, body.length, body.length),
    ],
    ['a stream of Buffers', () => inPieces(body, 3)],
    ['a stream of Buffers as objects', () => Readable.from([body.subarray(0, 5), body.subarray(5)])],
    ['a stream of Uint8Arrays', () => Readable.from([new Uint8Array(body)])],
    ['a stream of texts', () => Readable.from(['some text', ', ', '报告'])],
    ['a stream with an encoding', () => inPieces(body, 4).setEncoding('utf8')],
  ])('%s', async (_, make) => {
    const source = make()
    const { file, bytes } = await stored(source)
    expect(bytes.toString()).toBe(body.toString())
    expect(file).toMatchObject({ size: body.length, sha256: sha256(body), name: 'a.txt', type: 'text/plain' })
  })

  it('under the tenant, the folder and a new name with the extension of the type', async () => {
    const { file, keys } = await stored(PDF, { mismatch: 'store' }, { name: 'report.exe' })
    expect(file).toMatchObject({ disk: 'media', backend: 'memory', tenant: 'acme', type: 'application/pdf' })
    expect(file.key).toMatch(/^files\/[0-9a-f-]{36}\.pdf$/)
    expect(keys).toEqual([`media/acme/${file.key}`])
  })

  test.each([1, 2, 65_535, 65_536, 65_537, 262_144, 300_000, 20 * 1024 * 1024])(
    '%i bytes with the right size and sha256',
    async size => {
      const body = randomBytes(size)
      const whole = await stored(body, {}, RANDOM)
      expect(whole.file).toMatchObject({ size, sha256: sha256(body) })
      expect(whole.bytes.equals(body)).toBe(true)
      const streamed = await stored(inPieces(body, 64 * 1024 + 1), {}, RANDOM)
      expect(streamed.file).toMatchObject({ size, sha256: sha256(body) })
      expect(streamed.bytes.equals(body)).toBe(true)
    },
  )

  test.each([65_536, 65_537, 100_000, 262_144])(
    '%i bytes that have all arrived before the drivers are loaded',
    async size => {
      const body = randomBytes(size)
      const driver = new MemoryDriver()
      const load = async () => {
        await new Promise(resolve => setTimeout(resolve, 50))
        return driver
      }
      const file = await asAcme(() => storeFile(storageOver(load), body, RULES, RANDOM))
      expect(file).toMatchObject({ size, sha256: sha256(body) })
    },
  )

  it('on the local disk', async () => {
    const body = randomBytes(300_000)
    const storage = storageOver(new LocalDriver({ root: tempDir() }))
    const file = await asAcme(() => storeFile(storage, inPieces(body, 10_000), RULES, RANDOM))
    expect((await asAcme(() => file.bytes())).equals(body)).toBe(true)
  })

  it('many files at the same time, each with its own contents', async () => {
    const driver = new MemoryDriver()
    const storage = storageOver(driver)
    const bodies = Array.from({ length: 50 }, () => randomBytes(70_000))
    const files = await asAcme(() =>
      Promise.all(bodies.map(each => storeFile(storage, inPieces(each, 7_001), RULES, RANDOM))),
    )
    expect(files.map(file => file.sha256)).toEqual(bodies.map(sha256))
    expect(await keysOf(driver)).toHaveLength(50)
  })
})

describe('the size', () => {
  it('of no bytes at all is refused', async () => {
    for (const body of [
      Buffer.alloc(0),
      new Uint8Array(),
      Readable.from([]),
      Readable.from([Buffer.alloc(0)]),
    ])
      expect(await errorOf(stored(body))).toMatchObject({ code: 'ERR_FILE_EMPTY', status: 400 })
  })

  it('of no bytes at all is accepted where the rules say so', async () => {
    for (const body of [Buffer.alloc(0), Readable.from([])]) {
      const { file, keys, bytes } = await stored(body, { empty: 'accept' })
      expect(file).toMatchObject({ size: 0, sha256: sha256(Buffer.alloc(0)) })
      expect(keys).toHaveLength(1)
      expect(bytes).toHaveLength(0)
    }
  })

  test.each([10, 70_000, 400_000])(
    'may be exactly the limit of %i bytes, and not one more',
    async maxSize => {
      const exact = padded('', maxSize)
      expect((await stored(exact, { maxSize })).file.size).toBe(maxSize)
      expect((await stored(inPieces(exact, 9_999), { maxSize })).file.size).toBe(maxSize)
      const driver = new WatchedDriver()
      for (const more of [padded('', maxSize + 1), inPieces(padded('', maxSize + 1), 9_999)]) {
        const refused = asAcme(() => storeFile(storageOver(driver), more, { ...RULES, maxSize }, NAME))
        expect(await errorOf(refused)).toMatchObject({ code: 'ERR_FILE_TOO_LARGE', status: 413 })
      }
      expect(await keysOf(driver)).toEqual([])
    },
  )

  it('beyond the limit is seen before anything goes to the backend, for a small file', async () => {
    const driver = new WatchedDriver()
    const body = inPieces(padded('', 20), 3)
    await errorOf(asAcme(() => storeFile(storageOver(driver), body, { ...RULES, maxSize: 10 }, NAME)))
    expect(driver.puts).toBe(0)
  })
})

describe('the name', () => {
  test.each([
    ['a path', '../../x'],
    ['a path of Windows', '..\\x'],
    ['a header', 'a\r\nSet-Cookie: b=c.txt'],
    ['a direction override', 'a\u202etxt.exe'],
    ['300 characters', `${'a'.repeat(296)}.txt`],
    ['NUL', 'a\0.txt'],
    ['half a surrogate pair', 'a\ud800.txt'],
    ['blanks', '   '],
    ['no character', ''],
  ])('with %s is refused before a byte is read', async (_what, name) => {
    const source = inPieces(PDF, 10)
    const driver = new WatchedDriver()
    const refused = asAcme(() => storeFile(storageOver(driver), source, RULES, { name }))
    expect(await errorOf(refused)).toMatchObject({ code: 'ERR_FILE_NAME', status: 400 })
    expect(driver.puts).toBe(0)
    expect(source.readableDidRead).toBe(false)
  })

  it('may be in any language', async () => {
    expect((await stored(PDF, {}, { name: 'Prüfung 报告.pdf' })).file.name).toBe('Prüfung 报告.pdf')
  })
})

describe('where a file may go', () => {
  it('without a tenant nowhere', async () => {
    const driver = new WatchedDriver()
    const refused = storeFile(storageOver(driver), PDF, RULES, NAME)
    expect(await errorOf(refused)).toMatchObject({ code: 'ERR_TENANT_REQUIRED', status: 400 })
    expect(driver.puts).toBe(0)
  })

  it('not to a disk that nobody configured', async () => {
    expect(await errorOf(stored(PDF, { disk: 'attic' }))).toMatchObject({ code: 'ERR_DISK_UNKNOWN' })
  })

  it('not to a shared disk, unless as the system', async () => {
    expect(await errorOf(stored(PDF, { disk: 'shared' }))).toMatchObject({ code: 'ERR_SYSTEM_REQUIRED' })
    const driver = new MemoryDriver()
    const rules = { ...RULES, disk: 'shared' }
    const file = await runAsSystem('test', () =>
      storeFile(storageOver(driver), PDF, rules, { name: 'a.pdf' }),
    )
    expect(file.tenant).toBe('shared')
    expect(await keysOf(driver)).toEqual([`media/shared/${file.key}`])
  })

  it('not by rules that are none', async () => {
    const source = inPieces(PDF, 10)
    expect(await errorOf(stored(source, { folder: '../x' }))).toMatchObject({ code: 'ERR_CONFIG' })
    expect(source.destroyed).toBe(true)
  })

  it('not with options that are none', async () => {
    const controller = { signal: new AbortController() }
    const timers = () => process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length
    const before = timers()
    for (const wrong of [
      { idleTimout: 5 },
      { onStored: () => {} },
      { size: -1 },
      { size: Number.NaN },
      controller,
    ]) {
      const source = inPieces(PDF, 10)
      expect(await errorOf(stored(source, {}, wrong as never))).toMatchObject({ code: 'ERR_CONFIG' })
      expect(source.destroyed).toBe(true)
    }
    const remote = { url: 'http://127.0.0.1:9/a.pdf', privateHosts: ['127.0.0.1'] } as never
    expect(await errorOf(stored(remote, {}, controller as never))).toMatchObject({ code: 'ERR_CONFIG' })
    expect(timers()).toBeLessThanOrEqual(before)
  })

  it('not where it has another length than was promised', async () => {
    for (const body of [PDF, inPieces(PDF, 10)])
      for (const size of [PDF.length + 1, PDF.length - 1])
        expect(await errorOf(stored(body, {}, { size }))).toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
  })

  it('not where the body is neither bytes nor a stream', async () => {
    for (const body of ['text', undefined, null, 5, [1, 2]])
      expect(await errorOf(stored(body as never))).toMatchObject({ code: 'ERR_CONFIG' })
  })

  it('not from a stream of objects, and the process lives', async () => {
    const error = await errorOf(stored(Readable.from([{ a: 1 }, { b: 2 }])))
    expect(error).toMatchObject({ code: 'ERR_CONFIG' })
  })
})

describe('what is stored with the object', () => {
  async function headersOf(disk: string, body: Buffer | string, name: string) {
    const driver = new MemoryDriver()
    const file = await asAcme(() =>
      storeFile(storageOver(driver), Buffer.from(body), { ...RULES, disk }, { name }),
    )
    const { contentType, contentDisposition, cacheControl } = await driver.head(`${disk}/acme/${file.key}`)
    return { contentType, contentDisposition, cacheControl }
  }

  it('for active content an attachment, on private disks too', async () => {
    expect(await headersOf('media', '<html>', 'a.html')).toEqual({
      contentType: 'text/html',
      contentDisposition: 'attachment; filename="a.html"',
      cacheControl: undefined,
    })
    expect(await headersOf('public-media', '<svg/>', 'ä.svg')).toEqual({
      contentType: 'image/svg+xml',
      contentDisposition: `attachment; filename="a.svg"; filename*=UTF-8''%C3%A4.svg`,
      cacheControl: 'public, max-age=31536000, immutable',
    })
  })

  it('for other content of a public disk the name to show, and that it never changes', async () => {
    expect(await headersOf('public-media', PDF, 'a.pdf')).toEqual({
      contentType: 'application/pdf',
      contentDisposition: 'inline; filename="a.pdf"',
      cacheControl: 'public, max-age=31536000, immutable',
    })
  })

  it('for other content of a private disk the type alone', async () => {
    expect(await headersOf('media', PDF, 'a.pdf')).toEqual({ contentType: 'application/pdf' })
  })
})

describe('events', () => {
  it('tell of a stored file', async () => {
    const uploads = eventsOf('upload')
    const { file } = await stored(PDF, {}, { name: 'a.pdf' })
    const { disk, backend, tenant, key, size, type } = file
    expect(uploads).toEqual([{ disk, backend, tenant, key, size, type }])
  })

  it('tell of a failed upload with its first cause', async () => {
    const uploads = eventsOf('upload')
    const driver = new WatchedDriver()
    const abort = new AbortController()
    driver.after = () => abort.abort(new Error('enough'))
    const failing = asAcme(() =>
      storeFile(storageOver(driver), PDF, RULES, { name: 'a.pdf', signal: abort.signal }),
    )
    const error = await errorOf(failing)
    expect(uploads).toEqual([expect.objectContaining({ tenant: 'acme', type: 'application/pdf', error })])
  })
})

describe('a source that fails on its own', () => {
  it('such as a file that is not there ends the upload', async () => {
    const error = await errorOf(stored(createReadStream('/nowhere/at/all')))
    expect(error).toMatchObject({ code: 'ERR_UPLOAD_ABORTED', cause: { code: 'ENOENT' } })
  })

  it('after the upload was refused already does no harm', async () => {
    const refused = stored(createReadStream('/nowhere/at/all'), {}, { name: '' })
    expect(await errorOf(refused)).toMatchObject({ code: 'ERR_FILE_NAME' })
    await new Promise(resolve => setTimeout(resolve, 50)) // an unhandled error would end this run
  })

  it('with a StorageError is heard with that error', async () => {
    const cause = new StorageError('ERR_FILE_NOT_FOUND', 'gone')
    const source = new Readable({ read: () => void source.destroy(cause) })
    expect(await errorOf(stored(source))).toBe(cause)
  })

  it('before it was handed over keeps its reason', async () => {
    const source = new Readable({ read() {} })
    source.on('error', () => {})
    source.destroy(new Error('broken disk'))
    await new Promise(resolve => setImmediate(resolve))
    expect(await errorOf(stored(source))).toMatchObject({
      code: 'ERR_UPLOAD_ABORTED',
      cause: { message: 'broken disk' },
    })
  })
})
