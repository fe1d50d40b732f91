import { PassThrough, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { abortError } from '../../src/core/abort.js'
import { readBody, takeBody } from '../../src/core/body.js'
import { resolveRange } from '../../src/core/byte-range.js'
import { StorageError } from '../../src/core/errors.js'
import { onStorageEvent, publish } from '../../src/core/events.js'
import { type Ledger, nullLedger } from '../../src/core/ledger.js'
import { LedgerRegistry } from '../../src/core/ledger-registry.js'
import { codeOf, thrownCode } from './errors-of.js'

describe('a StorageError', () => {
  it('has the status of its code, and says whether its message may be shown', () => {
    const missing = new StorageError('ERR_FILE_NOT_FOUND', 'There is no such file.')
    expect([missing.status, missing.expose]).toEqual([404, true])
    const down = new StorageError('ERR_BACKEND', 'The backend failed.')
    expect([down.status, down.expose]).toEqual([502, false])
  })

  it('looks the same for "not yours" and "not there" to a client', () => {
    const [there, yours] = (['ERR_FILE_NOT_FOUND', 'ERR_TENANT_MISMATCH'] as const).map(
      code => new StorageError(code, 'There is no such file.'),
    )
    expect([there?.status, there?.message]).toEqual([yours?.status, yours?.message])
  })

  it('is known by its brand, also when it comes from another copy of the package', () => {
    const foreign = Object.assign(new Error('x'), {
      code: 'ERR_RANGE',
      [Symbol.for('tenant-files.StorageError')]: true,
    })
    expect(StorageError.is(foreign, 'ERR_RANGE')).toBe(true)
    expect(StorageError.is(foreign, 'ERR_BACKEND')).toBe(false)
    for (const other of [new Error('x'), null, undefined, 'ERR_RANGE', { code: 'ERR_RANGE' }])
      expect(StorageError.is(other)).toBe(false)
  })

  it('keeps its cause, and has none where none is given', () => {
    const cause = new Error('deeper')
    expect(new StorageError('ERR_BACKEND', 'x', { cause }).cause).toBe(cause)
    expect('cause' in new StorageError('ERR_BACKEND', 'x')).toBe(false)
  })
})

describe('events', () => {
  it('reach every listener of their name until it stops listening', () => {
    const seen: string[] = []
    const stops = ['a', 'b'].map(name => onStorageEvent('warning', ({ code }) => void seen.push(name + code)))
    publish('warning', { code: '1', message: '' })
    publish('system', { reason: 'another event' })
    stops[0]?.()
    publish('warning', { code: '2', message: '' })
    stops[1]?.()
    publish('warning', { code: '3', message: '' })
    expect(seen).toEqual(['a1', 'b1', 'b2'])
  })
})

describe('a byte range', () => {
  it.each([
    [{ start: 0 }, 10, { start: 0, end: 9 }],
    [{ start: 3, end: 5 }, 10, { start: 3, end: 5 }],
    [{ start: 9, end: 9 }, 10, { start: 9, end: 9 }],
    [{ start: 3, end: 99 }, 10, { start: 3, end: 9 }],
    [{ suffix: 4 }, 10, { start: 6, end: 9 }],
    [{ suffix: 99 }, 10, { start: 0, end: 9 }],
    [{ suffix: Number.POSITIVE_INFINITY }, 10, { start: 0, end: 9 }],
  ])('%j of %d bytes is %j', (range, size, expected) => {
    expect(resolveRange(range, size)).toEqual(expected)
  })

  it.each([
    [{ start: 10 }, 10],
    [{ start: 5, end: 4 }, 10],
    [{ start: -1 }, 10],
    [{ start: -5, end: -1 }, 10],
    [{ suffix: 0 }, 10],
    [{ suffix: -1 }, 10],
    [{ start: 0 }, 0],
    [{ start: 0, end: 0 }, 0],
    [{ suffix: 1 }, 0],
    [{ start: 0.5 }, 10],
    [{ start: 0, end: 1.5 }, 10],
    [{ suffix: 1.5 }, 10],
    [{ start: Number.NaN }, 10],
    [{ suffix: Number.NaN }, 10],
    [{ start: 0, end: Number.NaN }, 10],
  ])('%j of %d bytes is none', (range, size) => {
    expect(thrownCode(() => resolveRange(range, size))).toBe('ERR_RANGE')
  })

  it('never leaves the object', () => {
    const number = fc.oneof(fc.integer(), fc.double(), fc.maxSafeInteger())
    const range = fc.oneof(
      fc.record({ start: number, end: fc.option(number, { nil: undefined }) }),
      fc.record({ suffix: number }),
    )
    fc.assert(
      fc.property(range, fc.nat(20), (asked, size) => {
        if (thrownCode(() => resolveRange(asked, size)) === 'ERR_RANGE') return
        const { start, end } = resolveRange(asked, size)
        expect(
          Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end < size,
        ).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('an abort', () => {
  it("is the signal's own StorageError, or ERR_UPLOAD_ABORTED with the reason as its cause", () => {
    const limit = new StorageError('ERR_FILE_TOO_LARGE', 'Too large.')
    expect(abortError(AbortSignal.abort(limit))).toBe(limit)
    const reason = new Error('client gone')
    expect(abortError(AbortSignal.abort(reason))).toMatchObject({ code: 'ERR_UPLOAD_ABORTED', cause: reason })
  })
})

async function bytesOf(
  body: Parameters<typeof readBody>[0],
  options: Parameters<typeof readBody>[1] = {},
): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of readBody(body, options)) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

describe('reading a body', () => {
  it('gives the bytes of a buffer, of a stream, and of a stream of text', async () => {
    expect(await bytesOf(Buffer.from('abc'))).toBe('abc')
    expect(
      await bytesOf(Readable.from([Buffer.from('a'), Buffer.alloc(0), Buffer.from('bc')]), { size: 3 }),
    ).toBe('abc')
    expect(await bytesOf(Readable.from(['a', 'bc']))).toBe('abc')
    expect(await bytesOf(Readable.from([]), { size: 0 })).toBe('')
  })

  it('refuses a stream of objects', async () => {
    expect(await codeOf(() => bytesOf(Readable.from([{ a: 1 }])))).toBe('ERR_UPLOAD_ABORTED')
  })

  it('ends the stream when the reader gives up', async () => {
    const body = Readable.from(['a', 'b'])
    for await (const _ of readBody(body, {})) break
    expect(body.destroyed).toBe(true)
  })

  it('leaves no listener on a signal that lives on', async () => {
    const { signal } = new AbortController()
    let listeners = 0
    signal.addEventListener = () => {
      listeners += 1
    }
    signal.removeEventListener = () => {
      listeners -= 1
    }
    await bytesOf(Readable.from(['a']), { signal })
    await codeOf(() => bytesOf(Readable.from(['a']), { signal, size: 7 }))
    expect(listeners).toBe(0)
  })

  it('survives a body that fails before anybody reads it', async () => {
    const body = new PassThrough()
    takeBody(body)
    body.destroy(new StorageError('ERR_FILE_TOO_LARGE', 'Too large.'))
    await sleep(5)
    expect(await codeOf(() => bytesOf(body))).toBe('ERR_FILE_TOO_LARGE')
  })
})

describe('the ledgers of a storage', () => {
  const ledger: Ledger = { ...nullLedger }

  it('are none where no database was ever registered', () => {
    expect(new LedgerRegistry().of('acme')).toBe(nullLedger)
  })

  it('refuse uploads while the database is not connected, before and after', () => {
    const registry = new LedgerRegistry()
    const slot = registry.register('default')
    expect(thrownCode(() => registry.of('acme'))).toBe('ERR_LEDGER_NOT_READY')
    slot.open(ledger)
    expect(registry.of('acme')).toBe(ledger)
    slot.close()
    expect(thrownCode(() => registry.of('acme'))).toBe('ERR_LEDGER_NOT_READY')
    slot.open(ledger)
    expect(registry.of(null)).toBe(ledger)
  })

  it('are ambiguous from the second one on, where nobody chooses', () => {
    const registry = new LedgerRegistry()
    registry.register('a')
    expect(thrownCode(() => registry.register('b'))).toBe('ERR_LEDGER_AMBIGUOUS')
    expect(thrownCode(() => registry.register('a'))).toBe('ERR_LEDGER_AMBIGUOUS')
  })

  it('are chosen by tenant where there is a resolver', () => {
    const registry = new LedgerRegistry(tenant => (tenant === 'acme' ? 'a' : 'b'))
    const other: Ledger = { ...nullLedger }
    registry.register('a').open(ledger)
    registry.register('b').open(other)
    expect(
      [registry.of('acme'), registry.of('globex'), registry.of(null)].map(found => found === ledger),
    ).toEqual([true, false, false])
    expect(thrownCode(() => registry.register('a'))).toBe('ERR_LEDGER_AMBIGUOUS')
  })

  it('say so when the resolver names one that is not there', () => {
    const registry = new LedgerRegistry(() => 'nowhere')
    registry.register('a').open(ledger)
    expect(() => registry.of('acme')).toThrowError(
      expect.objectContaining({ code: 'ERR_LEDGER_NOT_READY', message: expect.stringContaining('nowhere') }),
    )
  })
})
