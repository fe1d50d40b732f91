import { PassThrough, Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { BlockMemory } from '../../src/core/block-memory.js'
import { blocksOf } from '../../src/core/body-blocks.js'
import { UploadMemory } from '../../src/core/upload-memory.js'
import { codeOf, thrownCode } from './errors-of.js'

/** Whether a promise is settled after everything that could settle it has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = () => {
    settled = true
  }
  promise.then(settle, settle)
  await turn()
  return settled
}

describe('the memory for uploads', () => {
  afterEach(() => void vi.useRealTimers())

  it('is given to those who wait in the order in which they came', async () => {
    const memory = new UploadMemory(100)
    await memory.reserve(100)
    const order: string[] = []
    const large = memory.reserve(80).then(() => order.push('large'))
    const small = memory.reserve(10).then(() => order.push('small'))
    memory.release(50)
    expect(await isSettled(small)).toBe(false)
    memory.release(50)
    await Promise.all([large, small])
    expect([order, memory.used, memory.waiting]).toEqual([['large', 'small'], 90, 0])
  })

  it('is no gift while somebody waits', async () => {
    const memory = new UploadMemory(100)
    await memory.reserve(60)
    expect(memory.tryReserve(20)).toBe(true)
    const waiting = memory.reserve(50)
    expect(memory.tryReserve(10)).toBe(false)
    memory.release(80)
    await waiting
    expect(memory.used).toBe(50)
  })

  it('holds one part that is larger than all of it, alone', async () => {
    const memory = new UploadMemory(100)
    await memory.reserve(1)
    const huge = memory.reserve(1_000)
    expect(await isSettled(huge)).toBe(false)
    memory.release(1)
    await huge
    expect(memory.tryReserve(1)).toBe(false)
  })

  it('is waited for no longer than until the signal aborts, and who stood behind moves up', async () => {
    const memory = new UploadMemory(100)
    await memory.reserve(60)
    const abort = new AbortController()
    const first = codeOf(() => memory.reserve(80, abort.signal))
    const second = memory.reserve(40)
    expect(await isSettled(second)).toBe(false)
    abort.abort()
    expect(await first).toBe('ERR_UPLOAD_ABORTED')
    await second
    expect(memory.used).toBe(100)
    expect(await codeOf(() => memory.reserve(80, abort.signal))).toBe('ERR_UPLOAD_ABORTED')
    expect(memory.waiting).toBe(0)
  })

  it('is waited for two minutes, and then the upload is turned away', async () => {
    vi.useFakeTimers()
    const memory = new UploadMemory(100)
    await memory.reserve(100)
    const waiting = codeOf(() => memory.reserve(1))
    await vi.advanceTimersByTimeAsync(119_000)
    expect(memory.waiting).toBe(1)
    await vi.advanceTimersByTimeAsync(1_000)
    expect([await waiting, memory.waiting]).toEqual(['ERR_BUSY', 0])
  })

  it.each([0, -1, 1.5, '10 apples'])('cannot be %j', size => {
    expect(thrownCode(() => new UploadMemory(size))).toBe('ERR_CONFIG')
  })
})

const BLOCK = 1024 * 1024

/** A body that gives its bytes in pieces of 100 KiB. */
function bodyOf(size: number): Readable {
  const chunk = Buffer.alloc(100 * 1024)
  return Readable.from(
    (function* () {
      for (let left = size; left > 0; left -= chunk.length)
        yield chunk.subarray(0, Math.min(left, chunk.length))
    })(),
    { objectMode: false },
  )
}

/** What a driver does: reads blocks, has up to three of them on their way, each for some turns of the event loop. */
async function upload(budget: UploadMemory, size: number, turns: number): Promise<number> {
  const memory = new BlockMemory(budget, BLOCK)
  const inFlight = new Set<Promise<void>>()
  let sent = 0
  for await (const block of blocksOf(bodyOf(size), { memory })) {
    const send = async () => {
      for (let count = 0; count < turns; count++) await turn()
      sent += block.length
      memory.giveBack(block)
    }
    const sending: Promise<void> = send().finally(() => inFlight.delete(sending))
    inFlight.add(sending)
    while (inFlight.size >= 3) await Promise.race(inFlight)
  }
  await Promise.all(inFlight)
  memory.end()
  return sent
}

describe('memory that is laid out', () => {
  it('is used again', () => {
    const budget = new UploadMemory(2 * BLOCK)
    const first = budget.layOut(BLOCK)
    budget.recycle(first)
    expect(budget.layOut(BLOCK)).toBe(first)
    expect(budget.layOut(BLOCK)).not.toBe(first)
  })

  it('is unknown to V8 up to the budget, and no further: V8 must collect what uploads left behind', () => {
    const budget = new UploadMemory(2 * BLOCK)
    const all = [1, 2, 3].map(() => budget.layOut(BLOCK))
    expect(all.map(memory => memory instanceof SharedArrayBuffer)).toEqual([true, true, false])
  })
})

describe('uploads that share their memory', () => {
  it('all come to their end, never hold more than there is, and leave nothing behind', async () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 5 * BLOCK }), { minLength: 1, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 1, max: 4 }), fc.nat(3), async (all, blocks, turns) => {
        const budget = new UploadMemory(blocks * BLOCK)
        let peak = 0
        const watch = setInterval(() => {
          peak = Math.max(peak, budget.used)
        })
        const sent = await Promise.all(all.map(size => upload(budget, size, turns)))
        clearInterval(watch)
        expect(sent).toEqual(all)
        expect(peak).toBeLessThanOrEqual(budget.limit)
        expect([budget.used, budget.waiting]).toEqual([0, 0])
      }),
      { numRuns: 40 },
    )
  })

  it('go on with one part each, however many others have stalled', async () => {
    const budget = new UploadMemory(2 * BLOCK)
    const abort = new AbortController()
    const stalled = new PassThrough({ highWaterMark: BLOCK })
    stalled.write(Buffer.alloc(300 * 1024))
    const memory = new BlockMemory(budget, BLOCK, abort.signal)
    const waiting = blocksOf(stalled, { memory, signal: abort.signal }).next()
    while (budget.used === 0) await turn()
    expect(await upload(budget, 8 * BLOCK, 2)).toBe(8 * BLOCK)
    abort.abort()
    expect(await codeOf(() => waiting)).toBe('ERR_UPLOAD_ABORTED')
    memory.end()
    expect(budget.used).toBe(0)
  })

  it('hold no more than the part that they fill while their sender has stalled', async () => {
    const budget = new UploadMemory(4 * BLOCK)
    const memory = new BlockMemory(budget, BLOCK)
    const blocks = []
    for (let count = 0; count < 4; count++) {
      const memoryOf = await memory.take()
      blocks.push({ chunks: [memoryOf], length: BLOCK, isLast: false })
    }
    expect(budget.used).toBe(4 * BLOCK)
    for (const block of blocks) memory.giveBack(block)
    expect(budget.used).toBe(BLOCK)
    expect(await upload(budget, 8 * BLOCK, 2)).toBe(8 * BLOCK)
    memory.end()
    expect(budget.used).toBe(0)
  })

  it('end with their signal while they wait for a part of their own to come back', async () => {
    const budget = new UploadMemory(BLOCK)
    const abort = new AbortController()
    const memory = new BlockMemory(budget, BLOCK, abort.signal)
    const blocks = blocksOf(bodyOf(3 * BLOCK), { memory, signal: abort.signal })
    await blocks.next()
    const second = blocks.next()
    expect(await isSettled(second)).toBe(false)
    abort.abort()
    expect(await codeOf(() => second)).toBe('ERR_UPLOAD_ABORTED')
  })

  it('ask for none while they are small', async () => {
    const budget = new UploadMemory(1)
    await budget.reserve(1)
    expect(await upload(budget, 256 * 1024, 0)).toBe(256 * 1024)
  })
})
