import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, test, vi } from 'vitest'
import { StorageError } from '../../src/core/index.js'
import { storeFile } from '../../src/upload/index.js'
import { PDF } from './sample-files.js'
import {
  asAcme,
  errorOf,
  eventsOf,
  failOnUnhandled,
  keysOf,
  RecordingLedger,
  storageOver,
  WatchedDriver,
} from './support.js'

const RULES = { folder: 'files' }
const BIG = randomBytes(400_000)

/** One upload over a watched driver and a recording ledger. */
function setUp(uploads = {}) {
  const driver = new WatchedDriver()
  const storage = storageOver(driver, { uploads })
  const ledger = new RecordingLedger().openFor(storage)
  const store = (body: Uint8Array | Readable, signal?: AbortSignal, rules = {}) =>
    asAcme(() => storeFile(storage, body, { ...RULES, ...rules }, { name: 'a.bin', signal }))
  return { driver, storage, ledger, store }
}

/** A sender that stays open until it is told to end. */
function sender(first: Buffer = Buffer.alloc(0)): PassThrough {
  const stream = new PassThrough({ highWaterMark: 1024 * 1024 })
  if (first.length > 0) stream.write(first)
  return stream
}

failOnUnhandled()

describe('a signal ends the upload', () => {
  it('before it began', async () => {
    const { driver, ledger, store } = setUp()
    const source = sender(PDF)
    expect(await errorOf(store(source, AbortSignal.abort()))).toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
    expect([driver.puts, ledger.lines, source.destroyed]).toEqual([0, [], true])
  })

  it('during the head', async () => {
    const { driver, ledger, store } = setUp()
    const abort = new AbortController()
    const source = sender(PDF)
    const storing = store(source, abort.signal)
    setTimeout(() => abort.abort(), 20)
    expect(await errorOf(storing)).toMatchObject({ code: 'ERR_UPLOAD_ABORTED', status: 400 })
    expect([driver.puts, ledger.lines, source.destroyed]).toEqual([0, [], true])
  })

  it('during the body', async () => {
    const { driver, ledger, store } = setUp()
    const abort = new AbortController()
    const source = sender(BIG)
    driver.before = () => void setTimeout(() => abort.abort(), 20)
    expect(await errorOf(store(source, abort.signal))).toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
    expect(await keysOf(driver)).toEqual([])
    expect(ledger.lines).toEqual(['stage', 'abandon'])
    expect(source.destroyed).toBe(true)
  })

  it('after the last byte, before the backend has answered', async () => {
    const { driver, ledger, store } = setUp()
    const abort = new AbortController()
    driver.after = () => abort.abort()
    expect(await errorOf(store(BIG, abort.signal))).toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
    expect(await keysOf(driver)).toEqual([])
    expect(ledger.lines).toEqual(['stage', 'abandon'])
  })

  it('while the ledger confirms, so that nobody has the file and nobody pays for it', async () => {
    const { driver, storage, ledger, store } = setUp()
    const abort = new AbortController()
    const { stage } = ledger
    ledger.stage = async entry => {
      const staged = await stage(entry)
      const confirm = async (size: number) => {
        await staged.confirm(size)
        abort.abort()
      }
      return { ...staged, confirm }
    }
    expect(storage.ledgers.of('acme')).toBe(ledger)
    expect(await errorOf(store(BIG, abort.signal))).toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
    expect(await keysOf(driver)).toEqual([])
    expect(ledger.lines).toEqual(['stage', `confirm ${BIG.length}`, 'abandon'])
  })

  it('with the reason of the signal, where that is an error of ours', async () => {
    const reason = new StorageError('ERR_UPLOAD_TIMEOUT', 'too slow')
    expect(await errorOf(setUp().store(sender(), AbortSignal.abort(reason)))).toBe(reason)
  })

  it('while the backend stalls', async () => {
    const { driver, ledger, store } = setUp()
    const abort = new AbortController()
    driver.before = (_key, _body, { signal }) =>
      new Promise((_resolve, reject) =>
        signal?.addEventListener('abort', () => reject(new StorageError('ERR_UPLOAD_ABORTED', 'given up'))),
      )
    setTimeout(() => abort.abort(new Error('enough')), 50)
    const error = await errorOf(store(sender(BIG), abort.signal))
    expect(error).toMatchObject({ code: 'ERR_UPLOAD_ABORTED', cause: { message: 'enough' } })
    expect(await keysOf(driver)).toEqual([])
    expect(ledger.lines).toEqual(['stage', 'abandon'])
  })

  it('and the line stays where the driver could not take back what was stored by then', async () => {
    const { driver, ledger, store } = setUp()
    const leftovers = eventsOf('leftover')
    const abort = new AbortController()
    const denied = new StorageError('ERR_BACKEND_DENIED', 'may not abort')
    driver.before = (_key, _body, { onLeftover }) => {
      abort.abort()
      onLeftover?.(denied)
    }
    expect(await errorOf(store(sender(BIG), abort.signal))).toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
    expect(ledger.lines).toEqual(['stage', 'leave'])
    expect(leftovers).toMatchObject([{ backend: 'memory', error: denied }])
  })

  it('and the line stays where the backend had the whole body and gave no answer', async () => {
    const { driver, ledger, store } = setUp()
    const abort = new AbortController()
    driver.after = async key => {
      abort.abort()
      await driver.delete(key)
      throw new StorageError('ERR_UPLOAD_ABORTED', 'cut off while waiting for the answer')
    }
    expect(await errorOf(store(Readable.from([BIG]), abort.signal))).toMatchObject({
      code: 'ERR_UPLOAD_ABORTED',
    })
    expect(ledger.lines).toEqual(['stage', 'leave'])
  })
})

describe('the sender', () => {
  it('that fails ends the upload', async () => {
    for (const first of [Buffer.alloc(0), PDF, BIG]) {
      const { driver, store } = setUp()
      const source = sender(first)
      setTimeout(() => source.destroy(new Error('line cut')), 20)
      const error = await errorOf(store(source))
      expect(error).toMatchObject({ code: 'ERR_UPLOAD_ABORTED', cause: { message: 'line cut' } })
      expect(await keysOf(driver)).toEqual([])
    }
  })

  it('that closes early ends the upload', async () => {
    for (const first of [Buffer.alloc(0), PDF, BIG]) {
      const { driver, store } = setUp()
      const source = sender(first)
      setTimeout(() => source.destroy(), 20)
      expect(await errorOf(store(source))).toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
      expect(await keysOf(driver)).toEqual([])
    }
  })

  it('that had closed already ends the upload', async () => {
    const source = sender(PDF)
    source.destroy()
    await once(source, 'close')
    expect(await errorOf(setUp().store(source))).toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
  })

  it('that sends nothing is idle', async () => {
    for (const first of [Buffer.alloc(0), PDF, BIG]) {
      const { driver, ledger, store } = setUp({ idleTimeout: 0.05 })
      const error = await errorOf(store(sender(first)))
      expect(error).toMatchObject({ code: 'ERR_UPLOAD_TIMEOUT', status: 408 })
      expect(await keysOf(driver)).toEqual([])
      expect(ledger.lines).toEqual(first === BIG ? ['stage', 'abandon'] : [])
    }
  })

  it('that pauses for less than the idle time may take as long as it likes', async () => {
    const { store } = setUp({ idleTimeout: 0.2 })
    const source = Readable.from(
      (async function* () {
        for (let i = 0; i < 8; i++) {
          await sleep(60)
          yield BIG.subarray(i * 50_000, (i + 1) * 50_000)
        }
      })(),
    )
    expect((await store(source)).size).toBe(400_000)
  })

  it('may not take longer than the deadline', async () => {
    const { driver, ledger, store } = setUp({ deadline: 0.15 })
    const source = new Readable({
      read: () => void setTimeout(() => source.push(BIG.subarray(0, 20_000)), 10),
    })
    expect(await errorOf(store(source))).toMatchObject({ code: 'ERR_UPLOAD_TIMEOUT', status: 408 })
    expect(await keysOf(driver)).toEqual([])
    expect(ledger.lines.at(-1) ?? 'abandon').toBe('abandon')
  })

  it('is not idle while it waits for a slow backend', async () => {
    const { driver, store } = setUp({ idleTimeout: 0.1 })
    driver.before = () => sleep(400)
    expect((await store(Readable.from([BIG, BIG, BIG]))).size).toBe(3 * BIG.length)
  })

  it('gets its whole idle time after a slow backend has taken what was waiting', async () => {
    const { driver, store } = setUp({ idleTimeout: 0.3 })
    const source = sender(BIG)
    // The backend takes all just before the timer fires; the sender goes on a little later.
    driver.before = async () => {
      await sleep(250)
      setTimeout(() => source.end(PDF), 150)
    }
    expect((await store(source)).size).toBe(BIG.length + PDF.length)
  })
})

describe('the backend', () => {
  const broken = new StorageError('ERR_BACKEND', 'the backend is down')

  it('that fails at once is what the caller hears of', async () => {
    const { driver, ledger, store } = setUp()
    driver.before = () => Promise.reject(broken)
    expect(await errorOf(store(sender(BIG)))).toBe(broken)
    expect(ledger.lines).toEqual(['stage', 'leave'])
  })

  it('that fails half way and ends the body is what the caller hears of', async () => {
    for (const failure of [broken, new StorageError('ERR_DISK_FULL', 'full')]) {
      const { driver, ledger, store } = setUp()
      driver.before = async (_key, body) => {
        if (!(body instanceof Readable)) return
        for await (const _chunk of body) break
        // As node's pipeline does when the other end fails.
        body.destroy(Object.assign(new Error('no space'), { code: 'ENOSPC' }))
        await sleep(20)
        throw failure
      }
      const source = sender(BIG)
      expect(await errorOf(store(source))).toBe(failure)
      expect(ledger.lines).toEqual(['stage', 'leave'])
      expect(source.destroyed).toBe(true)
    }
  })

  it('that says the key is taken may have stored our own first attempt, so the line stays', async () => {
    const { driver, ledger, store } = setUp()
    driver.before = () => Promise.reject(new StorageError('ERR_FILE_EXISTS', 'taken'))
    expect(await errorOf(store(PDF))).toMatchObject({ code: 'ERR_FILE_EXISTS' })
    expect(ledger.lines).toEqual(['stage', 'leave'])
  })

  it('that stored another number of bytes than it was given has failed', async () => {
    for (const body of [PDF, Readable.from([BIG])]) {
      const { driver, ledger, store } = setUp()
      const put = driver.put.bind(driver)
      driver.put = async (...args) => ({ ...(await put(...args)), size: 5 })
      expect(await errorOf(store(body))).toMatchObject({ code: 'ERR_BACKEND', status: 502 })
      expect(ledger.lines).toEqual(['stage', 'leave'])
    }
  })

  it('that throws something else than an error of ours is heard of as it is', async () => {
    const { driver, ledger, store } = setUp()
    const odd = new TypeError('a bug in a driver')
    driver.before = () => Promise.reject(odd)
    expect(await errorOf(store(PDF))).toBe(odd)
    expect(ledger.lines).toEqual(['stage', 'leave'])
  })
})

describe('the ledger', () => {
  it('knows of the file before its first byte goes to the backend, and after its last', async () => {
    for (const body of [PDF, BIG, Readable.from([BIG])]) {
      const { driver, ledger, store } = setUp()
      driver.before = () => ledger.note('put')
      driver.after = () => ledger.note('stored')
      const { size } = await store(body)
      expect(ledger.lines).toEqual(['stage', 'put', 'stored', `confirm ${size}`])
    }
  })

  it('is told backend, object key, disk, tenant and size', async () => {
    const { ledger, store } = setUp()
    const stage = vi.spyOn(ledger, 'stage')
    const { key } = await store(PDF)
    expect(stage).toHaveBeenCalledExactlyOnceWith({
      backend: 'memory',
      objectKey: `media/acme/${key}`,
      disk: 'media',
      tenant: 'acme',
      atMost: PDF.length,
    })
  })

  it('hears nothing of a file that is refused by its head', async () => {
    const { ledger, store } = setUp()
    await errorOf(store(PDF, undefined, { accept: ['image/*'] }))
    await errorOf(store(Buffer.alloc(0)))
    await errorOf(store(BIG, undefined, { maxSize: 100 }))
    expect(ledger.lines).toEqual([])
  })

  it('is told to forget a file over the limit', async () => {
    const { driver, ledger, store } = setUp()
    const tooLarge = store(Readable.from([BIG, BIG]), undefined, { maxSize: BIG.length + 1 })
    expect(await errorOf(tooLarge)).toMatchObject({ code: 'ERR_FILE_TOO_LARGE' })
    expect(ledger.lines).toEqual(['stage', 'abandon'])
    expect(await keysOf(driver)).toEqual([])
  })

  it('that cannot stage is what the caller hears of, and nothing was stored', async () => {
    const { driver, ledger, store } = setUp()
    ledger.failing.stage = new StorageError('ERR_LEDGER_BUSY', 'busy')
    expect(await errorOf(store(sender(BIG)))).toBe(ledger.failing.stage)
    expect(driver.puts).toBe(0)
  })

  it('that lost the lease makes the object go', async () => {
    const { driver, ledger, store } = setUp()
    ledger.failing.confirm = new StorageError('ERR_LEASE_LOST', 'gone')
    driver.deleting = () => ledger.note('delete')
    expect(await errorOf(store(PDF))).toMatchObject({ code: 'ERR_LEASE_LOST', status: 409 })
    expect(await keysOf(driver)).toEqual([])
    expect(ledger.lines).toEqual(['stage', `confirm ${PDF.length}`, 'delete', 'abandon'])
  })

  it('that cannot be reached makes the object go, and hides no cause', async () => {
    const { driver, ledger, store } = setUp()
    ledger.failing.confirm = new Error('connection lost')
    ledger.failing.abandon = new Error('still lost')
    const leftovers = eventsOf('leftover')
    expect(await errorOf(store(PDF))).toBe(ledger.failing.confirm)
    expect(await keysOf(driver)).toEqual([])
    expect(leftovers).toMatchObject([{ backend: 'memory', error: ledger.failing.abandon }])
  })

  it('keeps its line where the object could not be deleted, and an event says so', async () => {
    const { driver, ledger, store } = setUp()
    ledger.failing.confirm = new StorageError('ERR_LEASE_LOST', 'gone')
    const denied = new StorageError('ERR_BACKEND_DENIED', 'may not delete')
    driver.deleting = () => Promise.reject(denied)
    const leftovers = eventsOf('leftover')
    expect(await errorOf(store(PDF))).toBe(ledger.failing.confirm)
    expect(ledger.lines.at(-1)).toBe('leave')
    expect(leftovers).toMatchObject([{ backend: 'memory', error: denied }])
  })

  it('that cannot forget hides no cause', async () => {
    const { ledger, store } = setUp()
    ledger.failing.abandon = new Error('connection lost')
    const tooLarge = store(Readable.from([BIG, BIG]), undefined, { maxSize: BIG.length + 1 })
    expect(await errorOf(tooLarge)).toMatchObject({ code: 'ERR_FILE_TOO_LARGE' })
  })
})

describe('after an upload', () => {
  test.each(['stored', 'refused', 'aborted', 'failed'])('that was %s nothing listens or waits', async how => {
    const { driver, store } = setUp()
    if (how === 'failed') driver.before = () => Promise.reject(new StorageError('ERR_BACKEND', 'down'))
    const abort = new AbortController()
    const added = vi.spyOn(abort.signal, 'addEventListener')
    const removed = vi.spyOn(abort.signal, 'removeEventListener')
    const timers = process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length
    const source = sender(BIG)
    if (how === 'aborted') driver.before = () => abort.abort()
    else source.end()
    const rules = how === 'refused' ? { accept: ['image/*'] } : {}
    await store(source, abort.signal, rules).catch(() => {})
    await sleep(5)
    expect(source.destroyed).toBe(true)
    const own = new PassThrough()
    for (const event of ['error', 'close', 'data', 'end', 'readable'])
      expect([event, source.listenerCount(event)]).toEqual([event, own.listenerCount(event)])
    expect(EventEmitter.listenerCount(source, 'unpipe')).toBe(0)
    expect(removed.mock.calls.length).toBeGreaterThanOrEqual(how === 'aborted' ? 0 : added.mock.calls.length)
    expect(process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length).toBeLessThanOrEqual(
      timers,
    )
  })
})
