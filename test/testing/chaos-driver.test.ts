import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StorageError } from '../../src/core/index.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { someBytes, streamOf } from '../../src/testing/driver-cases-support.js'
import { ChaosDriver, type ChaosFault, type ChaosRule, driverCases } from '../../src/testing/index.js'
import { failOnUnhandled } from '../upload/support.js'

const TEXT = { contentType: 'text/plain' }

failOnUnhandled()

function chaosOf(...rules: ChaosRule[]) {
  const memory = new MemoryDriver()
  return { memory, driver: new ChaosDriver(memory, { rules }) }
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error: unknown) => (StorageError.is(error) ? error.code : error),
  )

async function listAll(driver: ChaosDriver): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of driver.list('')) keys.push(key)
  return keys
}

describe('a chaos driver keeps the promises of every driver', () => {
  const cases = driverCases.filter(({ needs }) => needs !== 'signedUrls')
  it.each(cases)('without rules: $name', async ({ run }) =>
    run({ driver: chaosOf().driver, prefix: `${randomUUID()}/` }),
  )
  it.each(cases)('when it is slow: $name', async ({ run }) => {
    const { driver } = chaosOf({ every: 7, fault: { kind: 'delay', ms: 1 } })
    await run({ driver, prefix: `${randomUUID()}/` })
  })
})

describe('an error', () => {
  it('happens to the method that it is for, every so often, and destroys the body', async () => {
    const { driver } = chaosOf({ method: 'put', every: 3, fault: { kind: 'error', code: 'ERR_DISK_FULL' } })
    const bodies = [1, 2, 3, 4].map(() => streamOf(Buffer.from('x')))
    const codes: unknown[] = []
    for (const body of bodies) codes.push(await codeOf(driver.put('a', body, TEXT)))
    expect(codes).toEqual(['none', 'none', 'ERR_DISK_FULL', 'none'])
    expect(bodies.every(body => body.destroyed)).toBe(true)
    expect(await codeOf(driver.head('a'))).toBe('none')
  })

  it('happens as often as it may, to the keys that it is for', async () => {
    const { driver } = chaosOf({
      times: 2,
      key: key => key.startsWith('b'),
      fault: { kind: 'error', code: 'ERR_BACKEND' },
    })
    await driver.put('a', Buffer.from('x'), TEXT)
    const codes = [
      await codeOf(driver.head('b')),
      await codeOf(driver.delete('b')),
      await codeOf(driver.delete('b')),
    ]
    expect(codes).toEqual(['ERR_BACKEND', 'ERR_BACKEND', 'none'])
    expect(driver.injected.map(({ method, key }) => [method, key])).toEqual([
      ['head', 'b'],
      ['delete', 'b'],
    ])
  })

  it('happens to ready only where it is named', async () => {
    const fault: ChaosFault = { kind: 'error', code: 'ERR_BACKEND' }
    expect(await codeOf(chaosOf({ fault }).driver.ready())).toBe('none')
    expect(await codeOf(chaosOf({ method: ['ready'], fault }).driver.ready())).toBe('ERR_BACKEND')
  })
})

describe('a silence', () => {
  it('ends with the signal', async () => {
    const { driver } = chaosOf({ fault: { kind: 'hang', ms: 60_000 } })
    const body = streamOf(Buffer.from('x'))
    const signal = AbortSignal.timeout(20)
    expect(await codeOf(driver.put('a', body, { ...TEXT, signal }))).toBe('ERR_UPLOAD_ABORTED')
    expect(body.destroyed).toBe(true)
  })

  it('ends by itself', async () => {
    const { driver } = chaosOf({ fault: { kind: 'hang', ms: 20 } })
    expect(await codeOf(driver.head('a'))).toBe('ERR_BACKEND_TIMEOUT')
  })
})

describe('a connection that breaks', () => {
  it.each([0, 1, 150_000, 1_000_000])('after %d bytes of a put leaves nothing', async after => {
    const { driver } = chaosOf({ method: 'put', fault: { kind: 'cut', after } })
    const body = streamOf(someBytes(300_000))
    expect(await codeOf(driver.put('a', body, TEXT))).toBe('ERR_BACKEND')
    expect([body.destroyed, await listAll(driver)]).toEqual([true, []])
  })

  it.each([0, 1, 150_000, 300_000, 1_000_000])('after %d bytes of a get fails its body', async after => {
    const { driver } = chaosOf({ method: 'get', fault: { kind: 'cut', after } })
    await driver.put('a', someBytes(300_000), TEXT)
    const { body } = await driver.get('a')
    let size = 0
    const read = async () => {
      for await (const chunk of body) size += chunk.length
    }
    expect(await codeOf(read())).toBe('ERR_BACKEND')
    expect(size).toBeLessThanOrEqual(after)
  })

  it('within a list gives the first entries', async () => {
    const { driver } = chaosOf({ method: 'list', fault: { kind: 'cut', after: 1 } })
    for (const key of ['a', 'b']) await driver.put(key, Buffer.from(key), TEXT)
    const keys: string[] = []
    const read = async () => {
      for await (const { key } of driver.list('')) keys.push(key)
    }
    expect(await codeOf(read())).toBe('ERR_BACKEND')
    expect(keys).toEqual(['a'])
  })
})

it('a short body ends early, without an error', async () => {
  const { driver } = chaosOf({ method: 'get', fault: { kind: 'short', after: 4 } })
  await driver.put('a', Buffer.from('too long'), TEXT)
  expect(await text((await driver.get('a')).body)).toBe('too ')
})

it('an answer that gets lost is that of something done', async () => {
  const { driver, memory } = chaosOf({ method: ['put', 'delete'], fault: { kind: 'lose' } })
  expect(await codeOf(driver.put('a', Buffer.from('x'), TEXT))).toBe('ERR_BACKEND_TIMEOUT')
  expect((await memory.head('a')).size).toBe(1)
  expect(await codeOf(driver.delete('a'))).toBe('ERR_BACKEND_TIMEOUT')
  expect(await codeOf(memory.head('a'))).toBe('ERR_FILE_NOT_FOUND')
})

it('the same seed gives the same faults, and another one others', async () => {
  const run = async (seed: number) => {
    const rules: ChaosRule[] = [{ rate: 0.5, fault: { kind: 'error', code: 'ERR_BACKEND' } }]
    const driver = new ChaosDriver(new MemoryDriver(), { rules, seed })
    for (let n = 0; n < 40; n++) await codeOf(driver.delete(`${n}`))
    return driver.injected.map(({ key }) => key)
  }
  const [one, same, other] = [await run(1), await run(1), await run(2)]
  expect(one).toEqual(same)
  expect(one).not.toEqual(other)
  expect(one.length).toBeGreaterThan(10)
  expect(one.length).toBeLessThan(30)
})

it.each([
  { every: 0 },
  { every: 1.5 },
  { times: 0 },
  { rate: 2 },
  { rate: Number.NaN },
  { rate: 0.5, every: 2 },
])('a rule of %j is refused', rule => {
  expect(() => chaosOf({ fault: { kind: 'lose' }, ...rule })).toThrow(
    expect.objectContaining({ code: 'ERR_CONFIG' }),
  )
})

const faults: fc.Arbitrary<ChaosFault> = fc.oneof(
  fc.constantFrom('ERR_BACKEND', 'ERR_BACKEND_TIMEOUT', 'ERR_DISK_FULL').map(code => ({
    kind: 'error' as const,
    code: code as 'ERR_BACKEND',
  })),
  fc.nat(3).map(ms => ({ kind: 'delay' as const, ms })),
  fc.nat(5).map(ms => ({ kind: 'hang' as const, ms })),
  fc.nat(400_000).map(after => ({ kind: 'cut' as const, after })),
  fc.constant({ kind: 'lose' as const }),
)
const schedules = fc.array(fc.record({ fault: faults, rate: fc.double({ min: 0, max: 0.6, noNaN: true }) }), {
  maxLength: 4,
})
/** Replacing puts and deletes on few keys, some of them aborted, some of bodies that break. */
const steps = fc.array(
  fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    kind: fc.constantFrom('put', 'put a stream', 'abort', 'break', 'delete'),
    size: fc.nat(300_000),
  }),
  { maxLength: 12 },
)

it('whatever happens: what is reported as stored is there whole, and of what failed there is all or nothing', async () => {
  await fc.assert(
    fc.asyncProperty(schedules, steps, fc.integer(), async (rules, plan, seed) => {
      const driver = new ChaosDriver(new MemoryDriver(), { rules, seed })
      /** By key: what may be there now. Undefined stands for nothing. */
      const possible = new Map<string, (Buffer | undefined)[]>()
      for (const [number, { key, kind, size }] of plan.entries()) {
        const bytes = someBytes(size, `${number}`)
        const before = possible.get(key) ?? [undefined]
        const wanted = kind === 'delete' ? undefined : bytes
        const done = await step(driver, key, kind, bytes)
        possible.set(key, done ? [wanted] : [...before, wanted])
      }
      driver.calm()
      for (const [key, contents] of possible) {
        const found = await driver.get(key).then(
          async ({ body }) => buffer(body),
          () => undefined,
        )
        expect(contents.some(bytes => (bytes === undefined ? found === bytes : found?.equals(bytes)))).toBe(
          true,
        )
      }
    }),
    { numRuns: 150, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false },
  )
}, 40_000)

async function step(driver: ChaosDriver, key: string, kind: string, bytes: Buffer): Promise<boolean> {
  if (kind === 'delete') return (await codeOf(driver.delete(key))) === 'none'
  const body = kind === 'put' ? bytes : kind === 'break' ? breaking(bytes) : streamOf(bytes)
  const abort = new AbortController()
  const put = driver.put(key, body, { ...TEXT, signal: abort.signal })
  if (kind === 'abort') setImmediate(() => abort.abort())
  const code = await codeOf(put)
  if (body instanceof Readable) expect(body.destroyed).toBe(true)
  return code === 'none'
}

function breaking(bytes: Buffer): Readable {
  async function* generate() {
    yield bytes.subarray(0, bytes.length / 2)
    throw new Error('broken')
  }
  return Readable.from(generate(), { objectMode: false })
}
