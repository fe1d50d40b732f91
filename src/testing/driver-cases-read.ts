import assert from 'node:assert/strict'
import { buffer } from 'node:stream/consumers'
import type { ByteRange } from '../core/driver.js'
import {
  type DriverCase,
  LARGE,
  listKeys,
  readText,
  rejectsWith,
  someBytes,
  store,
  streamOf,
  TEXT,
} from './driver-cases-support.js'

const TEN = '0123456789'

const RANGES: { what: string; range: ByteRange; start: number; end: number }[] = [
  { what: 'the first bytes', range: { start: 0, end: 3 }, start: 0, end: 3 },
  { what: 'one byte', range: { start: 5, end: 5 }, start: 5, end: 5 },
  { what: 'the middle', range: { start: 4, end: 6 }, start: 4, end: 6 },
  { what: 'an open end', range: { start: 7 }, start: 7, end: 9 },
  { what: 'an end beyond the last byte', range: { start: 8, end: 99 }, start: 8, end: 9 },
  { what: 'the last bytes', range: { suffix: 4 }, start: 6, end: 9 },
  { what: 'more last bytes than there are', range: { suffix: 99 }, start: 0, end: 9 },
]

const OUTSIDE: ByteRange[] = [
  { start: 10 },
  { start: 10, end: 12 },
  { start: 5, end: 4 },
  { suffix: 0 },
  { start: -1 },
  { start: 0.5 },
]

export const readCases: DriverCase[] = [
  ...RANGES.map(
    ({ what, range, start, end }): DriverCase => ({
      name: `a range of ${what} gives exactly those bytes and the size of the whole`,
      async run({ driver, prefix }) {
        await store(driver, `${prefix}file.txt`, TEN)
        const result = await driver.get(`${prefix}file.txt`, { range })
        assert.equal((await buffer(result.body)).toString(), TEN.slice(start, end + 1))
        assert.deepEqual(result.range, { start, end })
        assert.equal(result.info.size, TEN.length)
      },
    }),
  ),
  {
    name: 'a range outside of the file is ERR_RANGE',
    async run({ driver, prefix }) {
      await store(driver, `${prefix}file.txt`, TEN)
      for (const range of OUTSIDE) await rejectsWith(driver.get(`${prefix}file.txt`, { range }), 'ERR_RANGE')
    },
  },
  {
    name: 'an empty file has no ranges',
    async run({ driver, prefix }) {
      await store(driver, `${prefix}empty.txt`, '')
      for (const range of [{ start: 0 }, { start: 0, end: 0 }, { suffix: 5 }]) {
        await rejectsWith(driver.get(`${prefix}empty.txt`, { range }), 'ERR_RANGE')
      }
    },
  },
  {
    name: 'a range across the parts of a large file gives exactly those bytes',
    async run({ driver, prefix }) {
      const bytes = someBytes(LARGE)
      await driver.put(`${prefix}file.bin`, streamOf(bytes), TEXT)
      const [start, end] = [5 * 1024 * 1024 - 10, 5 * 1024 * 1024 + 100_000]
      const { body } = await driver.get(`${prefix}file.bin`, { range: { start, end } })
      assert.ok((await buffer(body)).equals(bytes.subarray(start, end + 1)), 'the bytes differ')
    },
  },
  {
    name: 'a download that nobody reads to its end can be closed',
    async run({ driver, prefix }) {
      await driver.put(`${prefix}file.bin`, someBytes(LARGE), TEXT)
      for (let i = 0; i < 5; i++) {
        const { body } = await driver.get(`${prefix}file.bin`)
        for await (const _ of body) break
        assert.ok(body.destroyed)
      }
      assert.equal((await driver.head(`${prefix}file.bin`)).size, LARGE)
    },
  },
  {
    name: 'get without a range says nothing of one',
    async run({ driver, prefix }) {
      await store(driver, `${prefix}file.txt`, TEN)
      const result = await driver.get(`${prefix}file.txt`)
      assert.equal((await buffer(result.body)).toString(), TEN)
      assert.equal(result.range, undefined)
      assert.equal(result.info.size, TEN.length)
    },
  },
  {
    name: 'the time of the last change is told',
    async run({ driver, prefix }) {
      await store(driver, `${prefix}file.txt`, TEN)
      const { lastModified } = await driver.head(`${prefix}file.txt`)
      assert.ok(lastModified instanceof Date)
      assert.ok(Math.abs(lastModified.getTime() - Date.now()) < 60_000, 'more than a minute off')
    },
  },
  {
    name: 'content type, disposition and cache control come back from head and get',
    needs: 'metadata',
    async run({ driver, prefix }) {
      const wanted = {
        contentType: 'application/pdf',
        contentDisposition: `attachment; filename="r\u0020(1).pdf"; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf`,
        cacheControl: 'private, max-age=3600',
      }
      for (const bytes of [Buffer.from('small'), someBytes(LARGE)]) {
        await driver.put(`${prefix}file.pdf`, streamOf(bytes), wanted)
        const { body, info } = await driver.get(`${prefix}file.pdf`)
        body.destroy()
        for (const seen of [info, await driver.head(`${prefix}file.pdf`)]) {
          assert.equal(seen.contentType, wanted.contentType)
          assert.equal(seen.contentDisposition, wanted.contentDisposition)
          assert.equal(seen.cacheControl, wanted.cacheControl)
        }
      }
    },
  },
  {
    name: 'a copy has the bytes of its source, which stays',
    async run({ driver, prefix }) {
      await store(driver, `${prefix}from.txt`, 'source')
      await store(driver, `${prefix}to.txt`, 'will be replaced')
      await driver.copy(`${prefix}from.txt`, `${prefix}to.txt`)
      await driver.copy(`${prefix}from.txt`, `${prefix}from.txt`)
      assert.equal(await readText(driver, `${prefix}to.txt`), 'source')
      assert.equal(await readText(driver, `${prefix}from.txt`), 'source')
    },
  },
  {
    name: 'a copy has the content type of its source',
    needs: 'metadata',
    async run({ driver, prefix }) {
      const wanted = { contentType: 'image/svg+xml', contentDisposition: 'attachment' }
      await store(driver, `${prefix}from.svg`, '<svg/>', wanted)
      await driver.copy(`${prefix}from.svg`, `${prefix}to.svg`)
      const { contentType, contentDisposition } = await driver.head(`${prefix}to.svg`)
      assert.deepEqual({ contentType, contentDisposition }, wanted)
    },
  },
  {
    name: 'a deleted file is gone, and only that one',
    async run({ driver, prefix }) {
      await store(driver, `${prefix}a.txt`, 'a')
      await store(driver, `${prefix}ab.txt`, 'ab')
      await driver.delete(`${prefix}a.txt`)
      await rejectsWith(driver.get(`${prefix}a.txt`), 'ERR_FILE_NOT_FOUND')
      assert.deepEqual(await listKeys(driver, prefix), [`${prefix}ab.txt`])
    },
  },
]
