import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { StorageError } from '../../../src/core/errors.js'
import { LocalDriver } from '../../../src/drivers/local/index.js'
import { tempDir } from '../../support/temp-dir.js'
import { codeOf, keysOf, leftovers, newDriver, snapshot, TEXT } from './helpers.js'

const NOBODY = 65_534
const KEY = 'media/acme/f/a.txt'

/** Gives `good` pieces of 64 KiB and then does what `then` says. */
function bodyOf(good: number, then: 'fails' | 'stalls' | 'ends'): Readable {
  let given = 0
  return new Readable({
    read() {
      if (given++ < good) this.push(Buffer.alloc(65_536, given))
      else if (then === 'ends') this.push(null)
      else if (then === 'fails') this.destroy(new Error('the sender broke off'))
    },
  })
}

describe('a put that fails', () => {
  it.each([0, 1, 20])(
    'after %d pieces of its body leaves nothing: no object, no temporary file, no open body',
    async good => {
      const { driver, root } = await newDriver()
      const body = bodyOf(good, 'fails')
      expect(await codeOf(() => driver.put(KEY, body, TEXT))).toBe('ERR_UPLOAD_ABORTED')
      expect([await keysOf(driver), leftovers(root), body.destroyed]).toEqual([[], [], true])
    },
  )

  it.each([0, 1, 20])(
    'because it is aborted while its body stalls after %d pieces rejects at once and leaves nothing',
    async good => {
      const { driver, root } = await newDriver()
      const [body, abort] = [bodyOf(good, 'stalls'), new AbortController()]
      const put = codeOf(() => driver.put(KEY, body, { ...TEXT, signal: abort.signal }))
      await sleep(50)
      const began = performance.now()
      abort.abort()
      expect(await put).toBe('ERR_UPLOAD_ABORTED')
      expect(performance.now() - began).toBeLessThan(1000)
      expect([await keysOf(driver), leftovers(root), body.destroyed]).toEqual([[], [], true])
    },
  )

  it('because it is aborted with a reason of ours says that reason', async () => {
    const { driver } = await newDriver()
    const abort = new AbortController()
    const put = codeOf(() => driver.put(KEY, bodyOf(1, 'stalls'), { ...TEXT, signal: abort.signal }))
    abort.abort(new StorageError('ERR_FILE_TOO_LARGE', 'Too large.'))
    expect(await put).toBe('ERR_FILE_TOO_LARGE')
  })

  it('because it is aborted while a buffer is written leaves nothing, or is done', async () => {
    const { driver, root } = await newDriver()
    for (let wait = 0; wait < 10; wait++) {
      const abort = new AbortController()
      const put = codeOf(() =>
        driver.put(`${wait}`, Buffer.alloc(5_000_000), { ...TEXT, signal: abort.signal }),
      )
      setTimeout(() => abort.abort(), wait)
      const code = await put
      expect(await keysOf(driver)).toEqual(code === 'none' ? [`${wait}`] : [])
      await driver.delete(`${wait}`)
    }
    expect(leftovers(root)).toEqual([])
  })

  it('leaves the object that was there, with its headers', async () => {
    const { driver, root } = await newDriver()
    await driver.put(KEY, Buffer.from('old'), { contentType: 'image/png', cacheControl: 'no-store' })
    const before = snapshot(root)
    expect(await codeOf(() => driver.put(KEY, bodyOf(2, 'fails'), { contentType: 'text/html' }))).toBe(
      'ERR_UPLOAD_ABORTED',
    )
    expect(
      await codeOf(() => driver.put(KEY, Buffer.from('new'), { contentType: 'text/html', ifNoneMatch: '*' })),
    ).toBe('ERR_FILE_EXISTS')
    expect(snapshot(root)).toEqual(before)
  })

  it('with a body that breaks before it is read does not end the process', async () => {
    const { driver, root } = await newDriver()
    const body = bodyOf(0, 'stalls')
    const put = codeOf(() => driver.put(KEY, body, TEXT))
    body.destroy(new Error('gone'))
    expect(await put).toBe('ERR_UPLOAD_ABORTED')
    expect(leftovers(root)).toEqual([])
  })
})

describe('a put', () => {
  it('of a stream shows nothing under its key until it is complete', async () => {
    const { driver } = await newDriver()
    const body = new Readable({ read() {} })
    const put = driver.put(KEY, body, TEXT)
    body.push('half')
    await sleep(50)
    expect(await keysOf(driver)).toEqual([])
    expect(await codeOf(() => driver.get(KEY))).toBe('ERR_FILE_NOT_FOUND')
    body.push(' and half')
    body.push(null)
    expect((await put).size).toBe(13)
    expect(await text((await driver.get(KEY)).body)).toBe('half and half')
  })

  it('that creates only has one winner among twenty, also over two drivers on one folder', async () => {
    const { driver, root } = await newDriver()
    const drivers = [driver, (await newDriver(root)).driver]
    const race = Array.from({ length: 20 }, (_, runner) =>
      codeOf(() =>
        drivers[runner % 2]!.put(KEY, Readable.from([`runner `, `${runner}`]), {
          ...TEXT,
          cacheControl: `${runner}`,
          ifNoneMatch: '*',
        }),
      ),
    )
    const codes = await Promise.all(race)
    expect(codes.toSorted()).toEqual([...Array(19).fill('ERR_FILE_EXISTS'), 'none'])
    const winner = codes.indexOf('none')
    const { body, info } = await driver.get(KEY)
    expect([await text(body), info.cacheControl]).toEqual([`runner ${winner}`, `${winner}`])
    expect(leftovers(root)).toEqual([])
  })

  it('that replaces never shows a reader half of it', async () => {
    const { driver } = await newDriver()
    const versions = ['a', 'b'].map(letter => Buffer.alloc(300_000, letter))
    await driver.put(KEY, versions[0]!, TEXT)
    let isDone = false
    const writes = (async () => {
      for (let turn = 0; turn < 30; turn++) await driver.put(KEY, versions[turn % 2]!, TEXT)
      isDone = true
    })()
    while (!isDone) {
      const bytes = await buffer((await driver.get(KEY)).body)
      expect(versions.some(version => version.equals(bytes))).toBe(true)
    }
    await writes
  })

  it('keeps its files from other users of the machine', async () => {
    const { driver, root } = await newDriver(path.join(tempDir(), 'new'))
    await driver.put(KEY, Buffer.from('x'), { ...TEXT, cacheControl: 'no-store' })
    for (const name of ['', ...readdirSync(root, { recursive: true, encoding: 'utf8' })])
      expect([name, statSync(path.join(root, name)).mode & 0o007]).toEqual([name, 0])
  })
})

const mounts: string[] = []
afterAll(() => {
  for (const folder of mounts.splice(0)) execFileSync('/bin/umount', [folder])
})

/** A file system of one MiB and 64 files. */
function smallDisk(folder = tempDir()): string {
  execFileSync('/bin/mount', ['-t', 'tmpfs', '-o', 'size=1m,nr_inodes=64', 'none', folder], {
    stdio: 'ignore',
  })
  mounts.push(folder)
  return folder
}

/** Only root may mount one, and in many containers not even root. */
const canMount = (() => {
  const folder = mkdtempSync(path.join(tmpdir(), 'tenant-files-mount-'))
  try {
    smallDisk(folder)
    execFileSync('/bin/umount', [mounts.pop() ?? folder])
    return true
  } catch {
    return false
  } finally {
    rmSync(folder, { recursive: true })
  }
})()

describe.runIf(canMount)('a full disk', () => {
  it.each([
    ['a buffer', () => Buffer.alloc(3_000_000)],
    ['a stream', () => bodyOf(40, 'ends')],
  ])(
    'refuses %s with ERR_DISK_FULL, leaves nothing, and works on when there is room',
    async (_, makeBody) => {
      const root = smallDisk()
      const { driver } = await newDriver(root)
      const body = makeBody()
      const error = await driver.put(KEY, body, TEXT).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'ERR_DISK_FULL', status: 507 })
      expect([await keysOf(driver), leftovers(root)]).toEqual([[], []])
      if (body instanceof Readable) expect(body.destroyed).toBe(true)
      await driver.put(KEY, Buffer.alloc(500_000), TEXT)
      expect((await driver.head(KEY)).size).toBe(500_000)
    },
  )

  it('on which an object fits but not its headers keeps neither', async () => {
    const root = smallDisk()
    const { driver } = await newDriver(root)
    mkdirSync(path.join(root, 'media/acme/f'), { recursive: true })
    await driver.put('media/acme/f/first.txt', Buffer.from('x'), { ...TEXT, cacheControl: 'no-store' })
    // fill all inodes but one: the object gets the last
    for (let n = 0; ; n++) {
      try {
        writeFileSync(path.join(root, `filler-${n}`), '')
      } catch {
        rmSync(path.join(root, `filler-${n - 1}`))
        break
      }
    }
    expect(await codeOf(() => driver.put(KEY, Buffer.from('y'), { ...TEXT, cacheControl: 'no-store' }))).toBe(
      'ERR_DISK_FULL',
    )
    expect([existsSync(path.join(root, KEY)), leftovers(root)]).toEqual([false, []])
  })
})

describe('getting ready', () => {
  it('makes the folder', async () => {
    const { driver } = await newDriver(path.join(tempDir(), 'a/b/c'))
    await driver.put(KEY, Buffer.from('x'), TEXT)
    expect(await keysOf(driver)).toEqual([KEY])
  })

  it('may be done twice, and while files are there', async () => {
    const { driver } = await newDriver()
    await driver.put(KEY, Buffer.from('x'), TEXT)
    await driver.ready()
    expect(await keysOf(driver)).toEqual([KEY])
  })

  it('works through a link to the root itself', async () => {
    const real = tempDir()
    const link = path.join(tempDir(), 'link')
    symlinkSync(real, link)
    const { driver } = await newDriver(link)
    await driver.put(KEY, Buffer.from('x'), TEXT)
    expect(existsSync(path.join(real, KEY))).toBe(true)
  })

  it.each(['', 'a\u0000b', undefined])('is refused without a folder: %j', root => {
    expect(() => new LocalDriver({ root: root as string })).toThrowError(
      expect.objectContaining({ code: 'ERR_CONFIG' }),
    )
  })

  it.each(['file', 'file/below/it'])('says that the root is no folder: %s', async below => {
    const folder = tempDir()
    writeFileSync(path.join(folder, 'file'), '')
    expect(await codeOf(() => new LocalDriver({ root: path.join(folder, below) }).ready())).toBe('ERR_CONFIG')
  })

  it('must come first', async () => {
    const driver = new LocalDriver({ root: tempDir() })
    const body = Readable.from(['x'])
    expect(await codeOf(() => driver.put(KEY, body, TEXT))).toBe('ERR_NOT_READY')
    expect(body.destroyed).toBe(true)
    for (const run of [
      () => driver.get(KEY),
      () => driver.head(KEY),
      () => driver.delete(KEY),
      () => driver.copy(KEY, 'b'),
      () => keysOf(driver),
    ])
      expect(await codeOf(run)).toBe('ERR_NOT_READY')
  })

  it('removes what a process left that died a day ago, and nothing that may still be written', async () => {
    const { driver, root } = await newDriver()
    const tmp = path.join(root, '.tenant-files/tmp')
    for (const name of ['old', 'new', 'old.json']) writeFileSync(path.join(tmp, name), 'x')
    mkdirSync(path.join(tmp, 'old-folder/x'), { recursive: true })
    await driver.put('old', Buffer.from('an object of that name'), TEXT)
    const yesterday = Date.now() / 1000 - 25 * 3600
    for (const name of ['tmp/old', 'tmp/old.json', 'tmp/old-folder', '../old'])
      utimesSync(path.join(root, '.tenant-files', name), yesterday, yesterday)
    await driver.ready()
    expect(leftovers(root)).toEqual(['new'])
    expect(await keysOf(driver)).toEqual(['old'])
  })

  it.runIf(canMount)('fails with ERR_BACKEND_DENIED where the system lets nobody write', async () => {
    const root = smallDisk()
    const { driver } = await newDriver(root)
    await driver.put(KEY, Buffer.from('x'), TEXT)
    execFileSync('/bin/mount', ['-o', 'remount,ro', root])
    expect(await codeOf(() => driver.put('b', Buffer.from('x'), TEXT))).toBe('ERR_BACKEND_DENIED')
    expect(await codeOf(() => driver.delete(KEY))).toBe('ERR_BACKEND_DENIED')
    expect(await codeOf(() => driver.copy(KEY, 'b'))).toBe('ERR_BACKEND_DENIED')
    expect(await text((await driver.get(KEY)).body)).toBe('x')
    expect(await codeOf(() => new LocalDriver({ root: path.join(root, 'new') }).ready())).toBe(
      'ERR_BACKEND_DENIED',
    )
  })

  it('fails with ERR_BACKEND_DENIED where this user may not write', async () => {
    const root = tempDir()
    chmodSync(root, 0o500)
    const driver = new LocalDriver({ root })
    expect(await asNobody(() => codeOf(() => driver.ready()))).toBe('ERR_BACKEND_DENIED')
    chmodSync(root, 0o700)
  })
})

it('a storage folder that is removed under the driver is a failure of the backend, and no missing file', async () => {
  const { driver, root } = await newDriver()
  rmSync(root, { recursive: true })
  expect(await codeOf(() => driver.put(KEY, Buffer.from('x'), TEXT))).toBe('ERR_BACKEND')
  expect(await codeOf(() => driver.get(KEY))).toBe('ERR_FILE_NOT_FOUND')
})

/** Root may write everywhere, so it steps down for a moment; anybody else stays who they are. */
async function asNobody<T>(run: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return run()
  process.seteuid?.(NOBODY)
  try {
    return await run()
  } finally {
    process.seteuid?.(0)
  }
}
