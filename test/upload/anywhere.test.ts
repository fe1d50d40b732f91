import { EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PutBody, PutOptions, PutResult } from '../../src/core/driver.js'
import { StorageError } from '../../src/core/index.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { storeFile } from '../../src/upload/index.js'
import { asAcme, failOnUnhandled, keysOf, RecordingLedger, storageOver } from './support.js'

/** How one upload ends: by its signal, its sender, its backend or its ledger, or well. */
const endings = [
  'well',
  'abort',
  'error',
  'close',
  'objects',
  'put fails',
  'put breaks off',
  'confirm fails',
] as const
type Ending = (typeof endings)[number]

const LIMIT = 600_000

/** Fails before the body is read, or with half of it. */
class FaultyDriver extends MemoryDriver {
  readonly #ending: Ending

  constructor(ending: Ending) {
    super()
    this.#ending = ending
  }

  override async put(key: string, body: PutBody, options: PutOptions): Promise<PutResult> {
    const down = new StorageError('ERR_BACKEND', 'down')
    if (this.#ending === 'put fails') throw down
    if (this.#ending !== 'put breaks off') return super.put(key, body, options)
    if (body instanceof Readable) {
      for await (const _piece of body) break
      body.destroy()
    }
    throw down
  }
}

function senderOf(sizes: readonly number[], at: number, ending: Ending, abort: AbortController): Readable {
  let sent = 0
  const source: Readable = new Readable({
    objectMode: true,
    read() {
      setImmediate(() => {
        if (source.destroyed) return
        if (sent === at && ending === 'abort') abort.abort()
        const size = sizes[sent]
        if (sent === at && ending === 'error') source.destroy(new Error('line cut'))
        else if (sent === at && ending === 'close') source.destroy()
        else if (sent === at && ending === 'objects') source.push({})
        else source.push(size === undefined ? null : Buffer.alloc(size, 7))
        sent++
      })
    },
  })
  return source
}

failOnUnhandled()

describe('an upload that ends in any way, anywhere', () => {
  it('is stored whole or not at all, and leaves no line, listener or timer', async () => {
    const piece = fc.oneof(fc.constantFrom(0, 1, 4_096, 65_535, 65_536, 262_144), fc.nat(200_000))
    const upload = fc.record({
      sizes: fc.array(piece, { maxLength: 8 }),
      at: fc.nat(8),
      ending: fc.constantFrom(...endings),
    })
    await fc.assert(
      fc.asyncProperty(upload, async ({ sizes, at, ending }) => {
        const driver = new FaultyDriver(ending)
        const storage = storageOver(driver)
        const ledger = new RecordingLedger().openFor(storage)
        if (ending === 'confirm fails') ledger.failing.confirm = new StorageError('ERR_LEASE_LOST', 'gone')
        const abort = new AbortController()
        const source = senderOf(sizes, at, ending, abort)
        const size = sizes.reduce((sum, each) => sum + each, 0)
        const rules = { folder: 'files', maxSize: LIMIT, empty: 'accept' } as const
        const timers = process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length
        const storing = asAcme(() =>
          storeFile(storage, source, rules, { name: 'a.bin', signal: abort.signal }),
        )
        const [result] = await Promise.allSettled([storing])

        if (result.status === 'fulfilled') {
          expect(result.value.size).toBe(size)
          expect(size).toBeLessThanOrEqual(LIMIT)
          expect((await asAcme(() => result.value.bytes())).length).toBe(size)
          expect(ledger.lines).toEqual(['stage', `confirm ${size}`])
        } else {
          expect(result.reason).toBeInstanceOf(StorageError)
          expect(await keysOf(driver)).toEqual([])
          if (ledger.lines.length > 0) expect(ledger.lines.at(-1)).toMatch(/^(abandon|leave)$/)
        }
        if (ending === 'well') expect(result.status).toBe(size <= LIMIT ? 'fulfilled' : 'rejected')

        await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
        expect(source.destroyed).toBe(true)
        for (const event of ['data', 'end', 'error', 'close', 'readable'])
          expect([event, EventEmitter.listenerCount(source, event)]).toEqual([event, 0])
        const left = process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length
        expect(left).toBeLessThanOrEqual(timers)
      }),
      { numRuns: 250 },
    )
  })
})
