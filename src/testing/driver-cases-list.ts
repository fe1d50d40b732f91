import assert from 'node:assert/strict'
import type { Driver } from '../core/driver.js'
import {
  type DriverCase,
  inByteOrder,
  listAll,
  listKeys,
  rejectsWith,
  store,
} from './driver-cases-support.js'

/** Just over a page of S3, and over one of Azure's after a few more. */
const MANY = 1_005
const AT_ONCE = 32

/** Sorted by UTF-16 units, the emoji comes before the full-width tilde; by UTF-8 bytes, after it. */
const ORDERED = [
  '!',
  'B',
  'a',
  'a!',
  'a-b/x',
  'a.txt',
  'a/b',
  'a/b.txt',
  'a0',
  'aa/c',
  'ab',
  '~',
  'é',
  '\uff5e',
  '😀',
]
const UNORDERED_PAIRS = ['a/b.txt', 'a.txt', 'aa/c', '😀', '\uff5e', 'a-b/x', 'B', 'é', '~', '!']

export const listCases: DriverCase[] = [
  {
    name: 'a prefix without files lists nothing',
    async run({ driver, prefix }) {
      assert.deepEqual(await listKeys(driver, prefix), [])
      assert.deepEqual(await listKeys(driver, `${prefix}no/such/folder/`), [])
    },
  },
  {
    name: 'list gives whole keys with size and time, at every depth',
    async run({ driver, prefix }) {
      await store(driver, `${prefix}a/b/c/deep.txt`, 'deep')
      await store(driver, `${prefix}top.txt`, '')
      const entries = await listAll(driver, prefix)
      assert.deepEqual(
        entries.map(({ key, size }) => ({ key, size })),
        [
          { key: `${prefix}a/b/c/deep.txt`, size: 4 },
          { key: `${prefix}top.txt`, size: 0 },
        ],
      )
      for (const { lastModified } of entries)
        assert.ok(Math.abs(lastModified.getTime() - Date.now()) < 60_000)
    },
  },
  {
    name: 'a/ never lists ab/, nor a file called a.txt',
    async run({ driver, prefix }) {
      for (const key of ['a/1', 'ab/2', 'a.txt', 'A/3', 'b/a/4']) await store(driver, prefix + key, key)
      assert.deepEqual(await listKeys(driver, `${prefix}a/`), [`${prefix}a/1`])
      assert.deepEqual(await listKeys(driver, `${prefix}ab/`), [`${prefix}ab/2`])
    },
  },
  {
    name: 'a prefix must be empty or end with a slash',
    async run({ driver, prefix }) {
      await store(driver, `${prefix}a/1`, '')
      for (const bad of [`${prefix}a`, '/', `${prefix}/`, `${prefix}../`, './']) {
        await rejectsWith(listKeys(driver, bad), 'ERR_KEY_INVALID')
      }
    },
  },
  {
    name: 'list sorts by the bytes of the keys, also where UTF-16 sorts otherwise',
    async run({ driver, prefix }) {
      // "a" beside "a/b", as S3 has it, is no portable pair: a file system cannot hold both.
      const keys = UNORDERED_PAIRS.map(key => prefix + key)
      for (const key of keys) await store(driver, key, '')
      const listed = await listKeys(driver, prefix)
      assert.deepEqual(listed, inByteOrder(keys))
      const expected = ORDERED.filter(key => UNORDERED_PAIRS.includes(key)).map(key => prefix + key)
      assert.deepEqual(listed, expected)
    },
  },
  {
    name: 'more keys than one page holds all come, once each and in order',
    async run({ driver, prefix }) {
      const keys = Array.from({ length: MANY }, (_, index) => `${prefix}${index % 7}/${index}.txt`)
      await storeAll(driver, keys)
      assert.deepEqual(await listKeys(driver, prefix), inByteOrder(keys))
    },
  },
  {
    name: 'a listing can be left early',
    async run({ driver, prefix }) {
      for (const key of ['1', '2', '3']) await store(driver, prefix + key, '')
      for await (const entry of driver.list(prefix)) {
        assert.equal(entry.key, `${prefix}1`)
        break
      }
    },
  },
]

async function storeAll(driver: Driver, keys: string[]): Promise<void> {
  const left = keys.values()
  const worker = async () => {
    for (const key of left) await store(driver, key, '')
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}
