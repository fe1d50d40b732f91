import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isObjectKey } from '../../../src/core/key.js'
import { FileBody } from '../../../src/drivers/local/file-body.js'
import { tempDir } from '../../support/temp-dir.js'
import { codeOf, keysOf, newDriver, TEXT } from './helpers.js'

const inByteOrder = (keys: Iterable<string>) =>
  [...keys].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

describe('a listing', () => {
  it('is in the order of the UTF-8 bytes, whatever the keys', async () => {
    const segment = fc.oneof(
      fc.constantFrom('a', 'a.txt', 'a-b', 'a0', 'A', 'é', '\uff5e', '😀', '~', '!', 'ab', '.hidden'),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }),
    )
    const key = fc
      .array(segment, { minLength: 1, maxLength: 3 })
      .map(parts => parts.join('/'))
      .filter(isObjectKey)
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(key, { maxLength: 12 }), async keys => {
        const { driver } = await newDriver()
        const stored = new Set<string>()
        for (const name of keys)
          if ((await codeOf(() => driver.put(name, Buffer.from('x'), TEXT))) === 'none') stored.add(name)
        expect(await keysOf(driver)).toEqual(inByteOrder(stored))
        for (const prefix of new Set(
          [...stored].flatMap(name =>
            name
              .split('/')
              .slice(0, -1)
              .map((_, at, all) => `${all.slice(0, at + 1).join('/')}/`),
          ),
        ))
          expect(await keysOf(driver, prefix)).toEqual(
            inByteOrder([...stored].filter(name => name.startsWith(prefix))),
          )
      }),
      { numRuns: 40 },
    )
  })

  it('goes on when files vanish under it', async () => {
    const { driver, root } = await newDriver()
    for (const key of ['a/1', 'a/2', 'b/1', 'c']) await driver.put(key, Buffer.from('x'), TEXT)
    const seen: string[] = []
    for await (const { key } of driver.list('')) {
      seen.push(key)
      if (key === 'a/1') for (const name of ['a/2', 'b']) rmSync(path.join(root, name), { recursive: true })
    }
    expect(seen).toEqual(['a/1', 'c'])
  })

  it('of a prefix that is a file is empty', async () => {
    const { driver } = await newDriver()
    await driver.put('a', Buffer.from('x'), TEXT)
    expect(await keysOf(driver, 'a/')).toEqual([])
    expect(await keysOf(driver, 'a/b/')).toEqual([])
  })
})

describe('the headers of an object', () => {
  const WANTED = {
    contentType: 'application/x-odd',
    contentDisposition: 'attachment; filename="x.txt"',
    cacheControl: 'private, max-age=60',
  }
  const headersOf = ({
    contentType,
    contentDisposition,
    cacheControl,
  }: typeof WANTED | Record<string, unknown>) => ({ contentType, contentDisposition, cacheControl })

  it('come back from head and get', async () => {
    const { driver } = await newDriver()
    await driver.put('a.txt', Buffer.from('x'), WANTED)
    expect(headersOf({ ...(await driver.head('a.txt')) })).toEqual(WANTED)
    const { body, info } = await driver.get('a.txt')
    body.destroy()
    expect(headersOf({ ...info })).toEqual(WANTED)
  })

  it('are not looked for where the reader knows them', async () => {
    const { driver, root } = await newDriver()
    await driver.put('a.txt', Buffer.from('x'), { contentType: 'text/x-odd' })
    expect((await driver.get('a.txt')).info.contentType).toBe('text/x-odd')
    const folder = path.join(root, '.tenant-files/headers')
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    const [sidecar = ''] = names.filter(name => name.endsWith('.json'))
    rmSync(path.join(folder, sidecar))
    mkdirSync(path.join(folder, sidecar)) // looking into it fails
    expect(await codeOf(() => driver.get('a.txt'))).not.toBe('none')
    const { info, body } = await driver.get('a.txt', { headers: 'known' })
    expect([info.size, await text(body)]).toEqual([1, 'x'])
  })

  it('need no file of their own where the extension says it all', async () => {
    const { driver, root } = await newDriver()
    await driver.put('a.pdf', Buffer.from('x'), { contentType: 'application/pdf' })
    expect((await driver.head('a.pdf')).contentType).toBe('application/pdf')
    expect(existsSync(path.join(root, '.tenant-files/headers'))).toBe(false)
  })

  it('are not believed when the bytes were replaced by hand', async () => {
    const { driver, root } = await newDriver()
    await driver.put('a.txt', Buffer.from('old'), WANTED)
    writeFileSync(path.join(root, 'a.txt'), 'longer than before')
    expect(headersOf({ ...(await driver.head('a.txt')) })).toEqual({ contentType: 'text/plain' })
    writeFileSync(path.join(root, 'a.txt'), 'OLD')
    utimesSync(path.join(root, 'a.txt'), 1_700_000_000, 1_700_000_000)
    expect((await driver.head('a.txt')).contentType).toBe('text/plain')
  })

  it('do not come back with a new object of the same key', async () => {
    const { driver } = await newDriver()
    await driver.put('a.txt', Buffer.from('x'), WANTED)
    await driver.put('a.txt', Buffer.from('x'), TEXT)
    expect((await driver.head('a.txt')).cacheControl).toBeUndefined()
    await driver.put('a.txt', Buffer.from('x'), WANTED)
    await driver.delete('a.txt')
    await driver.put('a.txt', Buffer.from('x'), TEXT)
    expect((await driver.head('a.txt')).cacheControl).toBeUndefined()
  })

  it('leave no file behind when their object is deleted', async () => {
    const { driver, root } = await newDriver()
    await driver.put('a.txt', Buffer.from('x'), WANTED)
    await driver.delete('a.txt')
    const left = readdirSync(path.join(root, '.tenant-files'), { recursive: true, encoding: 'utf8' })
    expect(left.filter(name => name.endsWith('.json'))).toEqual([])
  })

  it.each(['', '{', 'null', '7', '[]', '{}', '\u0000\u0000'])(
    'fall back to the extension when their file was torn to %j',
    async torn => {
      const { driver, root } = await newDriver()
      await driver.put('a.txt', Buffer.from('x'), WANTED)
      const folder = path.join(root, '.tenant-files/headers')
      const [file = ''] = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name =>
        name.endsWith('.json'),
      )
      writeFileSync(path.join(folder, file), torn)
      expect((await driver.head('a.txt')).contentType).toBe('text/plain')
    },
  )

  it('of a and of a.json/b are kept apart', async () => {
    const { driver } = await newDriver()
    await driver.put('a', Buffer.from('1'), { contentType: 'text/x-one' })
    await driver.put('a.json/b', Buffer.from('2'), { contentType: 'text/x-two' })
    await driver.put('a.json.json', Buffer.from('3'), { contentType: 'text/x-three' })
    const types = await Promise.all(
      ['a', 'a.json/b', 'a.json.json'].map(async key => (await driver.head(key)).contentType),
    )
    expect(types).toEqual(['text/x-one', 'text/x-two', 'text/x-three'])
    expect(await keysOf(driver)).toEqual(['a', 'a.json.json', 'a.json/b'])
  })

  it('go with a copy, and replace those of its target', async () => {
    const { driver } = await newDriver()
    await driver.put('a.txt', Buffer.from('a'), WANTED)
    await driver.put('b.txt', Buffer.from('b'), { contentType: 'text/html', cacheControl: 'no-store' })
    await driver.copy('a.txt', 'b.txt')
    expect(headersOf({ ...(await driver.head('b.txt')) })).toEqual(WANTED)
    await driver.put('c.txt', Buffer.from('c'), TEXT)
    await driver.copy('c.txt', 'b.txt')
    expect(headersOf({ ...(await driver.head('b.txt')) })).toEqual({ contentType: 'text/plain' })
    expect(await text((await driver.get('b.txt')).body)).toBe('c')
  })
})

describe('a file and a folder', () => {
  it('cannot have one name: a below a file is refused', async () => {
    const { driver, root } = await newDriver()
    await driver.put('a', Buffer.from('x'), TEXT)
    for (const key of ['a/b', 'a/b/c']) {
      expect(await codeOf(() => driver.put(key, Buffer.from('y'), TEXT))).toBe('ERR_KEY_INVALID')
      expect(await codeOf(() => driver.put(key, Buffer.from('y'), { ...TEXT, ifNoneMatch: '*' }))).toBe(
        'ERR_KEY_INVALID',
      )
      expect(await codeOf(() => driver.copy('a', key))).toBe('ERR_KEY_INVALID')
    }
    expect(readFileSync(path.join(root, 'a'), 'utf8')).toBe('x')
    expect(await keysOf(driver)).toEqual(['a'])
  })

  it('cannot have one name: a file in place of a folder is refused, also of an empty one', async () => {
    const { driver, root } = await newDriver()
    await driver.put('a/b', Buffer.from('x'), TEXT)
    mkdirSync(path.join(root, 'empty'))
    for (const key of ['a', 'empty']) {
      expect(await codeOf(() => driver.put(key, Buffer.from('y'), TEXT))).toBe('ERR_KEY_INVALID')
      expect(await codeOf(() => driver.put(key, Buffer.from('y'), { ...TEXT, ifNoneMatch: '*' }))).toBe(
        'ERR_KEY_INVALID',
      )
      expect(await codeOf(() => driver.copy('a/b', key))).toBe('ERR_KEY_INVALID')
    }
    expect(await keysOf(driver)).toEqual(['a/b'])
  })

  it('are told apart in reading: a folder is no object, and nothing lies below a file', async () => {
    const { driver } = await newDriver()
    await driver.put('a/b', Buffer.from('x'), TEXT)
    for (const key of ['a', 'a/b/c', 'a/b/c/d']) {
      expect(await codeOf(() => driver.get(key))).toBe('ERR_FILE_NOT_FOUND')
      expect(await codeOf(() => driver.head(key))).toBe('ERR_FILE_NOT_FOUND')
      expect(await codeOf(() => driver.copy(key, 'c'))).toBe('ERR_FILE_NOT_FOUND')
      expect(await codeOf(() => driver.delete(key))).toBe('none')
    }
    expect(await keysOf(driver)).toEqual(['a/b'])
  })
})

it('a segment of more than 255 bytes is refused by every method, also below 255 characters', async () => {
  const { driver } = await newDriver()
  for (const key of ['a', 'f/a']) await driver.put(key, Buffer.from('x'), TEXT)
  for (const key of ['x'.repeat(256), `f/${'é'.repeat(128)}`, `${'x'.repeat(256)}/a`]) {
    const runs = [
      () => driver.put(key, Buffer.from('x'), TEXT),
      () => driver.get(key),
      () => driver.head(key),
      () => driver.delete(key),
      () => driver.copy('a', key),
      () => driver.copy(key, 'b'),
    ]
    expect(await Promise.all(runs.map(codeOf))).toEqual(runs.map(() => 'ERR_KEY_INVALID'))
  }
  expect(await keysOf(driver)).toEqual(['a', 'f/a'])
})

describe('a range', () => {
  it('gives just what slice gives, whatever it is', async () => {
    const { driver } = await newDriver()
    const bytes = Buffer.from('0123456789')
    await driver.put('a', bytes, TEXT)
    await fc.assert(
      fc.asyncProperty(fc.nat(9), fc.nat(12), async (start, more) => {
        const { body, range, info } = await driver.get('a', { range: { start, end: start + more } })
        expect(await buffer(body)).toEqual(bytes.subarray(start, start + more + 1))
        expect([range, info.size]).toEqual([{ start, end: Math.min(9, start + more) }, 10])
      }),
      { numRuns: 30 },
    )
  })

  it('of an empty file is ERR_RANGE, and the whole of it is nothing', async () => {
    const { driver } = await newDriver()
    await driver.put('a', Readable.from([]), TEXT)
    for (const range of [{ start: 0 }, { suffix: 1 }])
      expect(await codeOf(() => driver.get('a', { range }))).toBe('ERR_RANGE')
    expect((await buffer((await driver.get('a')).body)).length).toBe(0)
  })
})

describe.runIf(existsSync('/proc/self/fd'))('open files', () => {
  const open = () => readdirSync('/proc/self/fd').length

  it('are closed after a thousand gets: read, left early, aborted, refused', async () => {
    const { driver } = await newDriver()
    await driver.put('a', Buffer.alloc(200_000, 'x'), TEXT)
    await driver.put('empty', Buffer.alloc(0), TEXT)
    const before = open()
    for (let turn = 0; turn < 200; turn++) {
      await buffer((await driver.get('a', { range: { start: 0, end: 9 } })).body)
      ;(await driver.get('a')).body.destroy()
      const abort = new AbortController()
      const { body } = await driver.get('a', { signal: abort.signal })
      body.on('error', () => {}).resume()
      abort.abort()
      expect(await codeOf(() => driver.get('a', { range: { start: 200_000 } }))).toBe('ERR_RANGE')
      await buffer((await driver.get('empty')).body)
    }
    await expect.poll(open).toBeLessThanOrEqual(before + 2)
  })

  it('are closed after puts that fail, and folders after those that do not', async () => {
    const { driver } = await newDriver()
    const before = open()
    for (let turn = 0; turn < 100; turn++) {
      await driver.put(`${turn}/a`, Readable.from(['x']), TEXT)
      const broken = new Readable({
        read() {
          this.destroy(new Error('broken'))
        },
      })
      expect(await codeOf(() => driver.put('b', broken, TEXT))).toBe('ERR_UPLOAD_ABORTED')
    }
    await expect.poll(open).toBeLessThanOrEqual(before + 2)
  })
})

it('two objects never share an etag, also of the same size in the same moment', async () => {
  const { driver } = await newDriver(tempDir())
  const etags = await Promise.all(
    ['a', 'b', 'c', 'd'].map(async key => (await driver.put(key, Buffer.from(key), TEXT)).etag),
  )
  expect(new Set(etags).size).toBe(4)
  expect((await driver.head('a')).etag).toBe(etags[0])
})

/** Whether this process has a file below `root` open. */
function isOpenBelow(root: string): boolean {
  return readdirSync('/proc/self/fd').some(file => {
    try {
      return readlinkSync(`/proc/self/fd/${file}`).startsWith(root)
    } catch {
      return false // closed since
    }
  })
}

describe('a large file', () => {
  const bytes = randomBytes(1_000_000)

  it.each([
    [0, 999_999],
    [0, 70_000],
    [123_456, 999_999],
    [300_000, 900_000],
  ])('is read from %i to %i', async (start, end) => {
    const { driver } = await newDriver()
    await driver.put('large.bin', bytes, TEXT)
    const { body } = await driver.get('large.bin', { range: { start, end } })
    expect((await buffer(body)).equals(bytes.subarray(start, end + 1))).toBe(true)
  })

  it('that becomes shorter while it is read is an error, not a shorter file', async () => {
    const { driver, root } = await newDriver()
    await driver.put('large.bin', bytes, TEXT)
    const { body } = await driver.get('large.bin')
    truncateSync(path.join(root, 'large.bin'), 300_000)
    expect(await codeOf(() => buffer(body))).toBe('ERR_FILE_CHANGED')
  })

  it('that the disk fails to read is an error of the storage, also in the middle', async () => {
    // The kernel reads no memory at the address 0: EIO, as of a disk that is broken.
    const body = new FileBody(openSync('/proc/self/mem', 'r'), { start: 0, length: 100_000 }, undefined)
    expect(await codeOf(() => buffer(body))).toBe('ERR_BACKEND')
  })

  it('that is aborted while it is opened is refused, and its error ends no process', async () => {
    const { driver, root } = await newDriver()
    await driver.put('large.bin', bytes, TEXT)
    for (const turns of [0, 1, 2, 3, 4]) {
      const abort = new AbortController()
      const opened = codeOf(() => driver.get('large.bin', { signal: abort.signal }))
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      abort.abort()
      expect(await opened).toBe('ERR_UPLOAD_ABORTED')
    }
    await expect.poll(() => isOpenBelow(root)).toBe(false)
  })

  it('is closed, however its reading ends', async () => {
    const { driver, root } = await newDriver()
    await driver.put('large.bin', bytes, TEXT)
    const abort = new AbortController()
    const readers: ((body: Readable) => unknown)[] = [
      body => buffer(body),
      body => body.destroy(),
      body => body.once('data', () => body.destroy()),
      body => {
        body.read() // under way while it is destroyed
        body.destroy()
      },
      body => body.on('error', () => {}).once('data', () => abort.abort()),
    ]
    for (const read of readers) {
      const { body } = await driver.get('large.bin', { signal: abort.signal })
      const closed = new Promise(resolve => body.once('close', resolve))
      read(body)
      await closed
    }
    await expect.poll(() => isOpenBelow(root)).toBe(false)
  })
})
