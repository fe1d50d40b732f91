import assert from 'node:assert/strict'
import type { Driver } from '../core/driver.js'
import { StorageError } from '../core/errors.js'
import {
  type DriverCase,
  inByteOrder,
  listKeys,
  readText,
  rejectsWith,
  store,
  TEXT,
} from './driver-cases-support.js'

/**
 * Keys that every driver holds, and that naive encoding breaks. No two of them differ in case or Unicode form
 * only, and no segment is longer than the 255 bytes of a file name.
 */
export const PORTABLE_KEYS: readonly string[] = [
  'plain.txt',
  'with space.txt',
  ' leading and trailing ',
  'two  spaces',
  'a+b.txt',
  'a%20b.txt',
  'a%2Bb.txt',
  'a%2fb.txt',
  '%2e%2e/x.txt',
  '%2e/%00',
  '100%',
  '%zz',
  '...a',
  '..a/.b/..c',
  "it's (1) [2] {3}!.txt",
  '"quoted" <tag>.txt',
  'a&b=c?d#e;f,g:h@i$j.txt',
  '*|^`~.txt',
  '~user/~',
  '_underscore/__init__',
  'résumé nfc.txt',
  're\u0301sume\u0301 nfd.txt',
  '日本語/файл/ملف.txt',
  '😀/👩\u200d👩\u200d👧.png',
  'zero\u200bwidth\ufeff.txt',
  'x'.repeat(255),
  `long/${Array.from({ length: 4 }, (_, index) => `${index}`.repeat(220)).join('/')}.txt`,
  `${'é'.repeat(120)}/${'😀'.repeat(60)}`,
]

/** Keys that no driver takes, put behind a prefix unless they must stand alone. */
const BAD_KEYS: { what: string; bad: (prefix: string) => string }[] = [
  { what: 'an empty key', bad: () => '' },
  { what: 'a leading slash', bad: prefix => `/${prefix}a.txt` },
  { what: 'a trailing slash', bad: prefix => `${prefix}a/` },
  { what: 'a double slash', bad: prefix => `${prefix}a//b.txt` },
  { what: 'a lone dot', bad: () => '.' },
  { what: 'two lone dots', bad: () => '..' },
  { what: 'a "." segment', bad: prefix => `${prefix}a/./b.txt` },
  { what: 'a ".." segment', bad: prefix => `${prefix}a/../b.txt` },
  { what: 'a ".." at its end', bad: prefix => `${prefix}a/..` },
  { what: 'a NUL', bad: prefix => `${prefix}a\u0000b.txt` },
  { what: 'more than 1,024 bytes', bad: prefix => prefix + 'long/'.repeat(205) },
  {
    what: 'more than 1,024 bytes of UTF-8 in fewer characters',
    bad: prefix => `${prefix}${'日'.repeat(340)}/x`,
  },
  { what: 'half a surrogate pair', bad: prefix => `${prefix}a\ud800b.txt` },
]

export const keyCases: DriverCase[] = [
  {
    name: 'odd keys stay what they are in put, get, head, list, copy and delete',
    async run({ driver, prefix }) {
      await Promise.all(PORTABLE_KEYS.map(key => store(driver, prefix + key, key)))
      assert.deepEqual(await listKeys(driver, prefix), inByteOrder(PORTABLE_KEYS.map(key => prefix + key)))
      await Promise.all(PORTABLE_KEYS.map(key => copyAndDelete(driver, prefix, key)))
      assert.deepEqual(await listKeys(driver, prefix), [])
    },
  },
  {
    // Azure takes such a dot away, and Windows too: two keys would become one object.
    name: 'a segment that ends with a dot stays what it is, or is refused',
    async run({ driver, prefix }) {
      for (const key of ['file.', 'a./b', '...'].map(each => prefix + each)) {
        try {
          await store(driver, key, key)
        } catch (error) {
          assert.ok(StorageError.is(error, 'ERR_KEY_INVALID'))
          continue
        }
        assert.equal(await readText(driver, key), key)
        assert.ok((await listKeys(driver, prefix)).includes(key))
      }
    },
  },
  ...BAD_KEYS.map(
    ({ what, bad }): DriverCase => ({
      name: `a key with ${what} is refused by every method and touches nothing`.replace(
        'with an empty key',
        'that is empty',
      ),
      async run({ driver, prefix }) {
        const key = bad(prefix)
        await store(driver, `${prefix}bystander.txt`, 'here')
        await rejectsWith(driver.put(key, Buffer.from('bad'), TEXT), 'ERR_KEY_INVALID')
        await rejectsWith(driver.get(key), 'ERR_KEY_INVALID')
        await rejectsWith(driver.head(key), 'ERR_KEY_INVALID')
        await rejectsWith(driver.delete(key), 'ERR_KEY_INVALID')
        await rejectsWith(driver.copy(key, `${prefix}to.txt`), 'ERR_KEY_INVALID')
        await rejectsWith(driver.copy(`${prefix}bystander.txt`, key), 'ERR_KEY_INVALID')
        if (driver.signUrl !== undefined) {
          const sign = async () => driver.signUrl?.(key, { method: 'GET', expiresIn: 60, at: Date.now() })
          await rejectsWith(sign(), 'ERR_KEY_INVALID')
        }
        assert.deepEqual(await listKeys(driver, prefix), [`${prefix}bystander.txt`])
      },
    }),
  ),
]

async function copyAndDelete(driver: Driver, prefix: string, key: string): Promise<void> {
  const [from, to] = [prefix + key, `${prefix}copies/${key}`]
  assert.equal(await readText(driver, from), key)
  assert.equal((await driver.head(from)).size, Buffer.byteLength(key))
  await driver.copy(from, to)
  assert.equal(await readText(driver, to), key)
  await driver.delete(from)
  await rejectsWith(driver.head(from), 'ERR_FILE_NOT_FOUND')
  await driver.delete(to)
}
