import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, test } from 'vitest'
import {
  type FileRules,
  type LimitedUpload,
  resolveRules,
  runWithTenant,
  StorageError,
} from '../../src/core/index.js'
import { receiveFile, storeFile } from '../../src/upload/index.js'
import { padded } from './sample-files.js'
import { asAcme, errorOf, failOnUnhandled, keysOf, storageOver, WatchedDriver } from './support.js'

type MaxSize = FileRules['maxSize']

function setUp(uploads = {}) {
  const driver = new WatchedDriver()
  const storage = storageOver(driver, { uploads })
  const store = (maxSize: MaxSize, size: number, options = {}) =>
    asAcme(() =>
      storeFile(storage, padded('', size), { folder: 'files', maxSize }, { name: 'a.txt', ...options }),
    )
  return { driver, storage, store }
}

failOnUnhandled()

describe('a limit that is a function', () => {
  test.each<[string, MaxSize]>([
    ['a number', () => 10],
    ['text', () => '10b'],
    ['a promise', async () => 10],
    ['a promise that takes its time', () => sleep(20, '10b')],
    ['a number with a fraction', () => 10.9],
  ])('may give %s', async (_what, maxSize) => {
    const { store, driver } = setUp()
    expect((await store(maxSize, 10)).size).toBe(10)
    expect(await errorOf(store(maxSize, 11))).toMatchObject({ code: 'ERR_FILE_TOO_LARGE', status: 413 })
    expect(await keysOf(driver)).toHaveLength(1)
  })

  it('is asked for each upload, with its tenant and field', async () => {
    const asked: LimitedUpload[] = []
    const maxSize = (upload: LimitedUpload) => {
      asked.push(upload)
      return upload.tenant === 'acme' ? 5 : 50
    }
    const { storage } = setUp()
    const rules = resolveRules({ folder: 'files', maxSize })
    const receive = (tenant: string, field?: string) =>
      runWithTenant(tenant, () =>
        receiveFile(storage, Readable.from([Buffer.alloc(20, 'x')]), rules, { name: 'a.txt', field }),
      )
    expect(await errorOf(receive('acme', 'photo'))).toMatchObject({ code: 'ERR_FILE_TOO_LARGE' })
    expect((await receive('globex')).size).toBe(20)
    const named = { ...rules, field: 'Order.file' }
    await asAcme(() => receiveFile(storage, Buffer.from('x'), named, { name: 'a.txt', field: 'photo' }))
    expect(asked).toEqual([
      { tenant: 'acme', field: 'photo' },
      { tenant: 'globex', field: undefined },
      { tenant: 'acme', field: 'Order.file' },
    ])
  })

  test.each([0, -5])('that gives %i lets no byte in', async limit => {
    const { store } = setUp()
    expect(await errorOf(store(() => limit, 1))).toMatchObject({ code: 'ERR_FILE_TOO_LARGE' })
  })

  test.each<[string, () => never]>([
    ['text that is no size', (() => 'big') as () => never],
    ['infinity', (() => Number.POSITIVE_INFINITY) as () => never],
    ['nothing', (() => undefined) as () => never],
    ['an object', (() => ({})) as () => never],
    [
      'an exception',
      () => {
        throw new Error('the database is down')
      },
    ],
  ])('that gives %s is a clear error', async (_what, maxSize) => {
    const { store, driver } = setUp()
    const error = await errorOf(store(maxSize, 1))
    expect(error).toMatchObject({ code: 'ERR_LIMIT_UNKNOWN', status: 503 })
    expect(error.message).not.toContain('database')
    expect(driver.puts).toBe(0)
  })

  it('may say no by an error of ours', async () => {
    const cause = new StorageError('ERR_TENANT_FORBIDDEN', 'The subscription has ended.')
    const refuse = () => Promise.reject(cause)
    expect(await errorOf(setUp().store(refuse, 1))).toBe(cause)
  })

  it('is not waited for without an end', async () => {
    const { store } = setUp({ maxSizeTimeout: 0.05 })
    const error = await errorOf(store(() => new Promise(() => {}), 1))
    expect(error).toMatchObject({ code: 'ERR_LIMIT_UNKNOWN' })
  })

  it('is not waited for when the signal aborts', async () => {
    const signal = AbortSignal.timeout(30)
    const error = await errorOf(setUp().store(() => new Promise(() => {}), 1, { signal }))
    expect(error).toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
  })

  it('takes none of the sender’s time', async () => {
    const { store } = setUp({ idleTimeout: 0.05 })
    expect((await store(() => sleep(200, 100), 10)).size).toBe(10)
  })
})

describe('a promised length', () => {
  const promised = (size: number, pieces: number[], rules = {}) => {
    const { storage, driver } = setUp()
    const source = Readable.from(pieces.map(each => Buffer.alloc(each, 'x')))
    const options = { name: 'a.txt', size }
    return {
      driver,
      source,
      done: asAcme(() => storeFile(storage, source, { folder: 'files', ...rules }, options)),
    }
  }

  test.each([
    [11, [5, 5]],
    [9, [5, 5]],
    [400_001, [200_000, 200_000]],
    [399_999, [200_000, 200_000]],
  ])('of %i for other bytes is no file', async (size, pieces) => {
    const { driver, done } = promised(size, pieces)
    expect(await errorOf(done)).toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
    expect(await keysOf(driver)).toEqual([])
  })

  it('beyond the limit is refused before a byte is read', async () => {
    const { source, done } = promised(100, [50, 50], { maxSize: 99 })
    expect(await errorOf(done)).toMatchObject({ code: 'ERR_FILE_TOO_LARGE' })
    expect(source.readableDidRead).toBe(false)
  })

  it('that is kept is told to the driver of a large file', async () => {
    const { driver, done } = promised(400_000, [200_000, 200_000])
    const sizes: (number | undefined)[] = []
    driver.before = (_key, _body, { size }) => void sizes.push(size)
    await done
    expect(sizes).toEqual([400_000])
  })
})

describe('one upload may have bounds of its own', () => {
  const silent = () => new Readable({ read() {} })

  it('for pauses and for the whole', async () => {
    const { storage } = setUp()
    for (const bound of [{ idleTimeout: 0.05 }, { deadline: 0.05 }]) {
      const storing = asAcme(() => storeFile(storage, silent(), { folder: 'f' }, { name: 'a.txt', ...bound }))
      expect(await errorOf(storing)).toMatchObject({ code: 'ERR_UPLOAD_TIMEOUT' })
    }
  })

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('but not one of %d seconds', async deadline => {
    expect(await errorOf(setUp().store('1kb', 1, { deadline }))).toMatchObject({ code: 'ERR_CONFIG' })
  })
})
