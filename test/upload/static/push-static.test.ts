import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { getTenant, isSystem, runAsSystem, type Storage } from '../../../src/core/index.js'
import { MemoryDriver } from '../../../src/drivers/memory/index.js'
import { type PushStaticOptions, pushStatic, type StaticProgress } from '../../../src/upload/index.js'
import { tempDir } from '../../support/temp-dir.js'
import { asAcme, errorOf, eventsOf, failOnUnhandled, keysOf, storageOver, WatchedDriver } from '../support.js'
import { BUILD, folderOf, write } from './folder.js'

failOnUnhandled()

const RECORD = 'static/.push-static.json'
const YEAR = 'public, max-age=31536000, immutable'
const SHORT = 'public, max-age=60, must-revalidate'

function watched(options = {}) {
  const driver = new WatchedDriver()
  return { driver, storage: storageOver(driver, options) }
}

/** The keys of what is stored, without the record. */
const filesOf = async (driver: MemoryDriver) => (await keysOf(driver)).filter(key => !key.endsWith(RECORD))

/** What was done to each file, in order. */
async function steps(storage: Storage, folder: string, options: PushStaticOptions = {}) {
  const done: string[] = []
  const onProgress = ({ key, action }: StaticProgress) => void done.push(`${action} ${key}`)
  await pushStatic(storage, folder, { concurrency: 1, ...options, onProgress })
  return done
}

describe('pushStatic', () => {
  it('stores every file below the location of the disk', async () => {
    const { driver, storage } = watched()
    await pushStatic(storage, folderOf(BUILD))
    expect(await filesOf(driver)).toEqual(
      Object.keys(BUILD)
        .map(name => `static/${name}`)
        .sort(),
    )
  })

  it('says how many were uploaded, how many bytes, and what was left alone', async () => {
    const { storage } = watched()
    const folder = folderOf(BUILD)
    const bytes = Object.values(BUILD).reduce((sum, content) => sum + Buffer.byteLength(content), 0)
    const nothing = { uploaded: 0, unchanged: 0, removed: 0, stale: 0, bytes: 0 }
    expect(await pushStatic(storage, folder)).toEqual({ ...nothing, uploaded: 6, bytes })
    expect(await pushStatic(storage, folder)).toEqual({ ...nothing, unchanged: 6 })
  })

  test.each([
    ['assets/app-BxY3k9aQ.css', 'text/css; charset=utf-8', YEAR, undefined],
    ['assets/app-C9xZ0aBq.js', 'text/javascript; charset=utf-8', YEAR, 'attachment'],
    ['assets/logo.svg', 'image/svg+xml', SHORT, 'attachment'],
    ['index.html', 'text/html; charset=utf-8', SHORT, 'attachment'],
    ['robots.txt', 'text/plain; charset=utf-8', SHORT, undefined],
  ])('stores %s as %s', async (name, contentType, cacheControl, contentDisposition) => {
    const { driver, storage } = watched()
    await pushStatic(storage, folderOf(BUILD))
    expect(await driver.head(`static/${name}`)).toMatchObject({
      contentType,
      cacheControl,
      contentDisposition,
    })
  })

  it('takes a name without an extension for no type', async () => {
    const { driver, storage } = watched()
    await pushStatic(storage, folderOf({ html: 'x' }))
    expect((await driver.head('static/html')).contentType).toBe('application/octet-stream')
  })

  it('asks the application how long a file may be cached, where it wants to say so', async () => {
    const { driver, storage } = watched()
    const cacheControl = (name: string) => (name === 'b.css' ? 'no-cache' : undefined)
    await pushStatic(storage, folderOf({ 'a.css': '', 'b.css': '' }), { cacheControl })
    expect((await driver.head('static/a.css')).cacheControl).toBe(SHORT)
    expect((await driver.head('static/b.css')).cacheControl).toBe('no-cache')
  })

  it('stores hashed files before those that link to them', async () => {
    const { storage } = watched()
    const done = await steps(storage, folderOf(BUILD))
    expect(done.slice(0, 2).map(step => step.slice(-3))).toEqual(['css', '.js'])
    expect(done.indexOf('uploaded index.html')).toBeGreaterThan(1)
  })

  it('works on as many files at a time as it may, and no more', async () => {
    const { driver, storage } = watched()
    let [now, most] = [0, 0]
    driver.before = async () => {
      most = Math.max(most, ++now)
      await new Promise(resolve => setTimeout(resolve, 5))
      now--
    }
    const files = Object.fromEntries([...Array(20).keys()].map(i => [`${i}.css`, String(i)]))
    await pushStatic(storage, folderOf(files), { concurrency: 3 })
    expect(most).toBe(3)
  })

  it('counts up to the number of files', async () => {
    const { storage } = watched()
    const counts: string[] = []
    await pushStatic(storage, folderOf(BUILD), { onProgress: at => counts.push(`${at.done}/${at.total}`) })
    expect(counts).toEqual(['1/6', '2/6', '3/6', '4/6', '5/6', '6/6'])
  })

  it('puts the files below a prefix, with a record of their own', async () => {
    const { driver, storage } = watched()
    await pushStatic(storage, folderOf({ 'a.css': '' }), { prefix: 'shop/' })
    expect(await keysOf(driver)).toEqual(['static/shop/.push-static.json', 'static/shop/a.css'])
  })

  it('runs as the system and says so, while the caller stays who it is', async () => {
    const { storage } = watched()
    const events = eventsOf('system')
    const seen: unknown[] = []
    await asAcme(() =>
      pushStatic(storage, folderOf({ 'a.css': '' }), {
        onProgress: () => seen.push(getTenant(), isSystem()),
      }),
    )
    expect(events).toEqual([{ reason: 'push static files' }])
    expect(seen).toEqual(['acme', false])
  })

  it('tells in its public record no name of a file', async () => {
    const { driver, storage } = watched()
    await pushStatic(storage, folderOf({ 'black-friday.css': '' }))
    const { body } = await driver.get(RECORD)
    expect(Buffer.concat(await body.toArray()).toString()).not.toContain('friday')
  })
})

describe('pushStatic uploads again', () => {
  async function pushed(files: Record<string, string> = { 'a.css': 'one', 'b.css': 'two' }) {
    const { driver, storage } = watched()
    const folder = folderOf(files)
    await pushStatic(storage, folder)
    return { driver, storage, folder }
  }

  it('a file that changed and kept its size', async () => {
    const { storage, folder } = await pushed()
    write(folder, { 'a.css': 'eno' })
    expect(await steps(storage, folder)).toEqual(['uploaded a.css', 'unchanged b.css'])
  })

  it('an object that somebody deleted', async () => {
    const { driver, storage, folder } = await pushed()
    await driver.delete('static/a.css')
    expect(await steps(storage, folder)).toEqual(['uploaded a.css', 'unchanged b.css'])
  })

  it('an object that somebody replaced by one of the same size', async () => {
    const { driver, storage, folder } = await pushed()
    await driver.put('static/a.css', Buffer.from('eno'), { contentType: 'text/css' })
    expect(await steps(storage, folder)).toEqual(['uploaded a.css', 'unchanged b.css'])
  })

  it('a file that shall be cached in another way', async () => {
    const { storage, folder } = await pushed()
    const cacheControl = (name: string) => (name === 'a.css' ? 'no-cache' : undefined)
    expect(await steps(storage, folder, { cacheControl })).toEqual(['uploaded a.css', 'unchanged b.css'])
  })

  test.each([
    '',
    'no json',
    '{}',
    'null',
    '{"v":1}',
    '{"v":2,"files":{}}',
    '{"v":1,"files":{"a":null,"b":{}}}',
  ])('everything where the record holds %j', async content => {
    const { driver, storage, folder } = await pushed()
    await driver.put(RECORD, Buffer.from(content), { contentType: 'application/json' })
    expect(await steps(storage, folder)).toEqual(['uploaded a.css', 'uploaded b.css'])
    expect(await steps(storage, folder)).toEqual(['unchanged a.css', 'unchanged b.css'])
  })

  it('nothing, and does not write its record either, where nothing changed', async () => {
    const { driver, storage, folder } = await pushed()
    driver.puts = 0
    await pushStatic(storage, folder)
    expect(driver.puts).toBe(0)
  })
})

describe('files that are not in the folder any more', () => {
  async function withStale() {
    const { driver, storage } = watched()
    const folder = folderOf({ 'old-B2H3sXNv.css': 'old', 'new-BxY3k9aQ.css': 'new' })
    await pushStatic(storage, folder)
    rmSync(path.join(folder, 'old-B2H3sXNv.css'))
    return { driver, storage, folder }
  }

  it('stay unless asked, and are counted', async () => {
    const { driver, storage, folder } = await withStale()
    expect(await pushStatic(storage, folder, { staleAfter: 0 })).toMatchObject({ removed: 0, stale: 1 })
    expect(await filesOf(driver)).toContain('static/old-B2H3sXNv.css')
  })

  it('stay for a day even when asked: pages that are open still need them', async () => {
    const { driver, storage, folder } = await withStale()
    expect(await pushStatic(storage, folder, { stale: 'delete' })).toMatchObject({ removed: 0, stale: 1 })
    expect(await filesOf(driver)).toContain('static/old-B2H3sXNv.css')
  })

  it('go when they have been missing for long enough', async () => {
    const { driver, storage, folder } = await withStale()
    await pushStatic(storage, folder)
    const record = JSON.parse(Buffer.concat(await (await driver.get(RECORD)).body.toArray()).toString())
    for (const entry of Object.values<{ gone?: number }>(record.files)) if (entry.gone) entry.gone -= 86_401
    await driver.put(RECORD, Buffer.from(JSON.stringify(record)), { contentType: 'application/json' })
    expect(await pushStatic(storage, folder, { stale: 'delete' })).toMatchObject({ removed: 1, stale: 0 })
    expect(await filesOf(driver)).toEqual(['static/new-BxY3k9aQ.css'])
  })

  it('go last of all', async () => {
    const { storage, folder } = await withStale()
    write(folder, { 'index.html': '' })
    expect(await steps(storage, folder, { stale: 'delete', staleAfter: 0 })).toEqual([
      'unchanged new-BxY3k9aQ.css',
      'uploaded index.html',
      'removed old-B2H3sXNv.css',
    ])
  })

  it('are not stale any more when a push has them again', async () => {
    const { driver, storage, folder } = await withStale()
    await pushStatic(storage, folder)
    write(folder, { 'old-B2H3sXNv.css': 'old' })
    expect(await pushStatic(storage, folder, { stale: 'delete', staleAfter: 0 })).toMatchObject({ stale: 0 })
    expect(await filesOf(driver)).toContain('static/old-B2H3sXNv.css')
  })

  it('are none where no push has stored them, or one below another prefix', async () => {
    const { driver, storage, folder } = await withStale()
    await runAsSystem('by hand', () =>
      storage.disk('static').put('robots.txt', Buffer.from('x'), { contentType: 'text/plain' }),
    )
    await pushStatic(storage, folderOf({ 'a.css': '' }), { prefix: 'shop/' })
    await pushStatic(storage, folder, { stale: 'delete', staleAfter: 0 })
    expect(await filesOf(driver)).toEqual([
      'static/new-BxY3k9aQ.css',
      'static/robots.txt',
      'static/shop/.push-static.json',
      'static/shop/a.css',
    ])
  })

  it('are forgotten where somebody else has deleted them', async () => {
    const { driver, storage, folder } = await withStale()
    await driver.delete('static/old-B2H3sXNv.css')
    expect(await pushStatic(storage, folder, { stale: 'delete' })).toMatchObject({ removed: 0, stale: 0 })
  })

  it('stay known when deleting one fails, so that the next push deletes them', async () => {
    const { driver, storage, folder } = await withStale()
    driver.deleting = () => {
      throw new Error('no')
    }
    await errorOf(pushStatic(storage, folder, { stale: 'delete', staleAfter: 0 }))
    driver.deleting = () => {}
    expect(await pushStatic(storage, folder, { stale: 'delete', staleAfter: 0 })).toMatchObject({
      removed: 1,
    })
  })
})

describe('two pushes at a time', () => {
  it('do not delete what the other one brings, though it is in one folder only', async () => {
    const { driver, storage } = watched()
    const [one, two] = [folderOf({ 'a-B2H3sXNv.css': '1' }), folderOf({ 'a-BxY3k9aQ.css': '2' })]
    await Promise.all([one, two].map(folder => pushStatic(storage, folder, { stale: 'delete' })))
    await pushStatic(storage, one, { stale: 'delete' })
    expect(await filesOf(driver)).toEqual(['static/a-B2H3sXNv.css', 'static/a-BxY3k9aQ.css'])
  })

  it('leave a record that takes no object for another one', async () => {
    const { driver, storage } = watched()
    const [one, two] = [folderOf({ 'a.css': '1' }), folderOf({ 'a.css': '2' })]
    // The second one comes between the first one's object and its record.
    driver.after = async key => {
      driver.after = () => {}
      if (key === 'static/a.css') await pushStatic(storage, two)
    }
    await pushStatic(storage, one)
    expect(await pushStatic(storage, one)).toMatchObject({ uploaded: 1 })
    const { body } = await driver.get('static/a.css')
    expect(Buffer.concat(await body.toArray()).toString()).toBe('1')
  })
})

describe('pushStatic leaves out', () => {
  it('files and folders with a dot, unless they are asked for', async () => {
    const { driver, storage } = watched()
    const folder = folderOf({ 'a.css': '', '.env': 'SECRET', '.well-known/security.txt': '' })
    await pushStatic(storage, folder)
    expect(await filesOf(driver)).toEqual(['static/a.css'])
    await pushStatic(storage, folder, { dotFiles: 'include' })
    expect(await filesOf(driver)).toEqual(['static/.env', 'static/.well-known/security.txt', 'static/a.css'])
  })
})

describe('pushStatic refuses before it stores anything', () => {
  async function refused(folder: string, options: PushStaticOptions = {}, storageOptions = {}) {
    const { driver, storage } = watched(storageOptions)
    const error = await errorOf(pushStatic(storage, folder, options))
    expect(await keysOf(driver)).toEqual([])
    return error
  }

  it('a folder that is missing, a file, or empty', async () => {
    const folder = folderOf({ 'a.css': '', 'empty/.keep': '' })
    for (const name of ['none', 'a.css', 'empty'])
      expect(await refused(path.join(folder, name))).toMatchObject({ code: 'ERR_CONFIG' })
  })

  it('names that are no keys, all of them at once', async () => {
    const folder = folderOf({ 'a\\b.css': '', 'c\nd.css': '', 'good.css': '' })
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0x2e, 0x63])]), '')
    const { code, message } = await refused(folder)
    expect(code).toBe('ERR_CONFIG')
    expect(message).toContain('"a\\\\b.css" (not a valid key)')
    expect(message).toContain('"c\\nd.css" (not a valid key)')
    expect(message).toContain('"\ufffd.c" (not a valid key)')
    expect(message).not.toContain('good.css')
  })

  it('a name that is too long only with its prefix', async () => {
    const folder = folderOf({ [`${'a/'.repeat(500)}a.css`]: '' })
    expect((await refused(folder, { prefix: 'a-longer-prefix/' })).message).toContain('not a valid key')
  })

  it('the name of its own record', async () => {
    const folder = folderOf({ '.push-static.json': '{}' })
    expect((await refused(folder, { dotFiles: 'include' })).message).toContain('.push-static.json')
  })

  it('two names that differ in case only', async () => {
    const { message } = await refused(folderOf({ 'icons/A.svg': '', 'icons/a.svg': '' }))
    expect(message).toContain('"icons/a.svg" (differs from "icons/A.svg" in case only)')
  })

  it('links out of the folder, to folders, to nothing and to themselves', async () => {
    const [folder, elsewhere] = [folderOf({ 'sub/a.css': '' }), folderOf({ 'secret.txt': 'x' })]
    const links = {
      'out.txt': path.join(elsewhere, 'secret.txt'),
      dir: path.join(folder, 'sub'),
      up: '..',
      'nothing.css': 'none.css',
      'self.css': 'self.css',
    }
    for (const [name, target] of Object.entries(links)) symlinkSync(target, path.join(folder, name))
    const { message } = await refused(folder)
    for (const name of Object.keys(links)) expect(message).toContain(`"${name}" (no file, or a link`)
  })

  it('disks of tenants, private ones, and those that keep what they have', async () => {
    const folder = folderOf({ 'a.css': '' })
    const base = { location: 'static', visibility: 'public', tenancy: 'none', overwrite: 'allow' }
    for (const change of [{ tenancy: 'required' }, { visibility: 'private' }, { overwrite: 'refuse' }]) {
      const error = await refused(folder, {}, { disks: { static: { ...base, ...change } } })
      expect(error).toMatchObject({ code: 'ERR_CONFIG', message: expect.stringContaining('"static"') })
    }
    expect(await refused(folder, { disk: 'none' })).toMatchObject({ code: 'ERR_DISK_UNKNOWN' })
  })

  it('options that are none', async () => {
    const folder = folderOf({ 'a.css': '' })
    const options = [
      { stale: 'remove' },
      { dotFiles: 'all' },
      { concurrency: 0 },
      { concurrency: 1.5 },
      { staleAfter: -1 },
      { staleAfter: Number.NaN },
    ] as PushStaticOptions[]
    for (const option of options) expect(await refused(folder, option)).toMatchObject({ code: 'ERR_CONFIG' })
    expect(await refused(folder, { prefix: 'shop' })).toMatchObject({ code: 'ERR_KEY_INVALID' })
  })
})

describe('links inside of the folder', () => {
  it('count as the file they lead to', async () => {
    const { driver, storage } = watched()
    const folder = folderOf({ 'a.css': 'one' })
    symlinkSync('a.css', path.join(folder, 'b.css'))
    const linked = path.join(tempDir(), 'link')
    symlinkSync(folder, linked)
    await pushStatic(storage, linked)
    const { body } = await driver.get('static/b.css')
    expect(Buffer.concat(await body.toArray()).toString()).toBe('one')
  })
})

describe('a push that fails in the middle', () => {
  const FILES = { 'a.css': 'a', 'b.css': 'b', 'c.css': 'c' }

  it('says what is done, keeps it, and the next one does the rest', async () => {
    const { driver, storage } = watched()
    const folder = folderOf(FILES)
    driver.before = key => {
      if (key === 'static/b.css') throw new TypeError('the backend is gone')
    }
    await errorOf(pushStatic(storage, folder, { concurrency: 1 }))
    driver.before = () => {}
    expect(await filesOf(driver)).toEqual(['static/a.css'])
    expect(await steps(storage, folder)).toEqual(['unchanged a.css', 'uploaded b.css', 'uploaded c.css'])
  })

  test.each([
    ['changes', (file: string) => writeFileSync(file, 'B')],
    ['grows', (file: string) => writeFileSync(file, 'bb')],
    ['shrinks', (file: string) => writeFileSync(file, '')],
    ['vanishes', (file: string) => rmSync(file)],
  ])('because a file %s while it is read stores no half of it', async (_what, change) => {
    const { driver, storage } = watched()
    const folder = folderOf(FILES)
    driver.before = key => {
      if (key === 'static/b.css') change(path.join(folder, 'b.css'))
    }
    const error = await errorOf(pushStatic(storage, folder, { concurrency: 1 }))
    expect(error).toMatchObject({ code: 'ERR_UPLOAD_ABORTED', operation: 'pushStatic' })
    expect(error.message).toBe(
      'The file "b.css" changed, or cannot be read, while it was pushed. 1 of 3 files are in place; push again for the rest.',
    )
    expect(await filesOf(driver)).toEqual(['static/a.css'])
  })

  it('deletes nothing', async () => {
    const { driver, storage } = watched()
    const folder = folderOf(FILES)
    await pushStatic(storage, folder)
    rmSync(path.join(folder, 'a.css'))
    write(folder, { 'b.css': 'changed' })
    driver.before = () => {
      throw new TypeError('the backend is gone')
    }
    await errorOf(pushStatic(storage, folder, { stale: 'delete', staleAfter: 0 }))
    expect(await filesOf(driver)).toContain('static/a.css')
  })

  it('because its signal aborts keeps what is there, and begins nothing more', async () => {
    const { driver, storage } = watched()
    const folder = folderOf(FILES)
    const stop = new AbortController()
    const onProgress = () => stop.abort()
    const error = await errorOf(
      pushStatic(storage, folder, { concurrency: 1, onProgress, signal: stop.signal }),
    )
    expect(error).toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
    expect(error.message).toContain('1 of 3 files are in place')
    expect(await filesOf(driver)).toEqual(['static/a.css'])
    expect(await steps(storage, folder)).toEqual(['unchanged a.css', 'uploaded b.css', 'uploaded c.css'])
  })

  it('because its signal had aborted before does nothing at all', async () => {
    const { driver, storage } = watched()
    await errorOf(pushStatic(storage, folderOf(FILES), { signal: AbortSignal.abort() }))
    expect(await keysOf(driver)).toEqual([])
  })

  it('because of the caller says what the caller threw', async () => {
    const { storage } = watched()
    const mistake = new Error('no such column')
    const throws = () => {
      throw mistake
    }
    for (const onProgress of [throws, async () => throws()])
      expect(await errorOf(pushStatic(storage, folderOf(FILES), { onProgress }))).toBe(mistake)
  })
})

it('keeps what a file holds, byte for byte, also a large one', async () => {
  const { driver, storage } = watched()
  const folder = folderOf({ 'big.css': 'x'.repeat(300_000) })
  await pushStatic(storage, folder)
  const { body } = await driver.get('static/big.css')
  expect(Buffer.concat(await body.toArray())).toEqual(readFileSync(path.join(folder, 'big.css')))
})
