import assert from 'node:assert/strict'
import {
  type DriverCase,
  LARGE,
  readBytes,
  readText,
  rejectsWith,
  someBytes,
  store,
  streamOf,
  TEXT,
} from './driver-cases-support.js'

const KNOWN = Buffer.from('äöü € 😀 \u0000\u0001\u00ff\r\n', 'utf8')

export const putCases: DriverCase[] = [
  ...[
    { what: 'no bytes at all', bytes: Buffer.alloc(0) },
    { what: 'one byte', bytes: Buffer.from([0]) },
    { what: 'known bytes', bytes: KNOWN },
    { what: 'more bytes than one part holds', bytes: someBytes(LARGE) },
  ].flatMap(({ what, bytes }): DriverCase[] => [
    {
      name: `a buffer of ${what} comes back identical`,
      async run({ driver, prefix }) {
        const key = `${prefix}file.bin`
        const stored = await driver.put(key, bytes, TEXT)
        assert.equal(stored.size, bytes.length)
        assert.equal((await driver.head(key)).size, bytes.length)
        assert.ok((await readBytes(driver, key)).equals(bytes), 'the bytes differ')
      },
    },
    {
      name: `a list of buffers with ${what} comes back identical`,
      async run({ driver, prefix }) {
        const key = `${prefix}file.bin`
        const middle = Math.floor(bytes.length / 2)
        const pieces = [bytes.subarray(0, middle), Buffer.alloc(0), bytes.subarray(middle)]
        const stored = await driver.put(key, pieces, { ...TEXT, size: bytes.length })
        assert.equal(stored.size, bytes.length)
        assert.ok((await readBytes(driver, key)).equals(bytes), 'the bytes differ')
      },
    },
    {
      name: `a stream of unknown length with ${what} comes back identical`,
      async run({ driver, prefix }) {
        const key = `${prefix}file.bin`
        const body = streamOf(bytes)
        const stored = await driver.put(key, body, TEXT)
        assert.equal(stored.size, bytes.length)
        assert.ok((await readBytes(driver, key)).equals(bytes), 'the bytes differ')
        assert.ok(body.destroyed, 'the body was left open')
      },
    },
  ]),
  {
    name: 'a stream of known length comes back identical',
    async run({ driver, prefix }) {
      for (const bytes of [KNOWN, someBytes(LARGE)]) {
        const stored = await driver.put(`${prefix}file.bin`, streamOf(bytes), { ...TEXT, size: bytes.length })
        assert.equal(stored.size, bytes.length)
        assert.ok((await readBytes(driver, `${prefix}file.bin`)).equals(bytes), 'the bytes differ')
      }
    },
  },
  {
    name: 'put replaces what is there, in both directions between small and large',
    async run({ driver, prefix }) {
      const key = `${prefix}file.bin`
      for (const bytes of [Buffer.from('first'), someBytes(LARGE), Buffer.from('last')]) {
        await driver.put(key, streamOf(bytes), TEXT)
        assert.ok((await readBytes(driver, key)).equals(bytes), 'the bytes differ')
      }
    },
  },
  {
    name: 'a create-only put refuses a key that is taken and leaves the object there alone',
    needs: 'createOnly',
    async run({ driver, prefix }) {
      const key = `${prefix}file.txt`
      await store(driver, key, 'first', { ifNoneMatch: '*' })
      for (const body of [Buffer.from('second'), streamOf(someBytes(LARGE))]) {
        await rejectsWith(driver.put(key, body, { ...TEXT, ifNoneMatch: '*' }), 'ERR_FILE_EXISTS')
      }
      assert.equal(await readText(driver, key), 'first')
    },
  },
  {
    name: 'a large create-only put works where nothing is there',
    needs: 'createOnly',
    async run({ driver, prefix }) {
      const bytes = someBytes(LARGE)
      await driver.put(`${prefix}file.bin`, streamOf(bytes), { ...TEXT, ifNoneMatch: '*' })
      assert.ok((await readBytes(driver, `${prefix}file.bin`)).equals(bytes), 'the bytes differ')
    },
  },
  {
    name: 'of eight create-only puts at once exactly one wins, and its bytes are there',
    needs: 'createOnly',
    async run({ driver, prefix }) {
      const key = `${prefix}file.txt`
      const racers = Array.from({ length: 8 }, (_, racer) =>
        store(driver, key, `racer ${racer}`, { ifNoneMatch: '*' }),
      )
      const results = await Promise.allSettled(racers)
      const winners = results.flatMap((result, racer) => (result.status === 'fulfilled' ? [racer] : []))
      assert.equal(winners.length, 1, `${winners.length} winners`)
      assert.equal(await readText(driver, key), `racer ${winners[0]}`)
      for (const racer of racers.filter((_, index) => index !== winners[0]))
        await rejectsWith(racer, 'ERR_FILE_EXISTS')
    },
  },
  {
    name: 'fifty puts at once each keep their own bytes',
    async run({ driver, prefix }) {
      const numbers = Array.from({ length: 50 }, (_, index) => index)
      await Promise.all(
        numbers.map(index => driver.put(`${prefix}${index}`, streamOf(someBytes(9_999, `${index}`)), TEXT)),
      )
      for (const index of numbers) {
        assert.ok(
          (await readBytes(driver, `${prefix}${index}`)).equals(someBytes(9_999, `${index}`)),
          `file ${index} differs`,
        )
      }
    },
  },
  {
    name: 'of puts to one key at once, small and large, one stays, and it is whole',
    async run({ driver, prefix }) {
      const key = `${prefix}file.bin`
      const bodies = [20, LARGE, 30, LARGE].map((size, index) => someBytes(size, `racer ${index}`))
      const racers = await Promise.allSettled(bodies.map(bytes => driver.put(key, streamOf(bytes), TEXT)))
      const stored = await readBytes(driver, key)
      const winner = bodies.findIndex(bytes => bytes.equals(stored))
      assert.ok(winner >= 0, 'the object is none of the bodies')
      // Azure throws the blocks of all others away when one of them is put together.
      for (const racer of racers)
        if (racer.status === 'rejected') await rejectsWith(Promise.reject(racer.reason), 'ERR_BACKEND')
      assert.equal(racers[winner]?.status, 'fulfilled')
    },
  },
  {
    name: 'options are read and never changed',
    async run({ driver, prefix }) {
      const key = `${prefix}file.txt`
      const signal = new AbortController().signal
      const put = Object.freeze({
        ...TEXT,
        contentDisposition: 'inline',
        size: 4,
        signal,
        onMultipart: async () => {},
      })
      await driver.put(key, streamOf(Buffer.from('four')), put)
      await driver.put(
        `${prefix}large.bin`,
        streamOf(someBytes(LARGE)),
        Object.freeze({ ...put, size: LARGE }),
      )
      const { body } = await driver.get(
        key,
        Object.freeze({ range: Object.freeze({ start: 1, end: 2 }), signal }),
      )
      body.destroy()
      const url = Object.freeze({ method: 'GET', expiresIn: 60, at: Date.now() } as const)
      if (driver.capabilities.signedUrls) driver.signUrl?.(key, url)
      const bare = Object.freeze({ signal })
      await driver.head(key, bare)
      await driver.copy(key, `${prefix}copy.txt`, bare)
      for await (const _ of driver.list(prefix, bare));
      await driver.delete(key, bare)
    },
  },
]
