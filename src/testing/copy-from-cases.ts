import assert from 'node:assert/strict'
import type { CopyFromOptions, CopySource, Driver } from '../core/driver.js'
import { LARGE, readBytes, readText, rejectsWith, someBytes, store, TEXT } from './driver-cases-support.js'

/** What a case of two buckets runs against. */
export interface CopyFromCaseContext {
  /** The driver of one bucket, ready for use. */
  readonly from: Driver
  /** The driver of another bucket that the same account reaches. */
  readonly to: Driver
  /** Nobody else's in either bucket, empty, and ending with `/`. */
  readonly prefix: string
}

/** One promise of `copySource` and `copyFrom`. */
export interface CopyFromCase {
  /** A sentence about behaviour. */
  readonly name: string
  /** Rejects when the drivers do not keep the promise. */
  run(context: CopyFromCaseContext): Promise<void>
}

const NEW = { contentType: 'text/csv', contentDisposition: 'attachment', ifNoneMatch: '*' } as const

/**
 * What every driver with `copyFrom` promises, as plain data for any test runner. Let the driver copy no more than 5 MiB
 * in one request, where it has such a limit: the large object here has 6 MiB.
 *
 * @example
 * for (const { name, run } of copyFromCases) test(name, () => run({ from, to, prefix: `${randomUUID()}/` }))
 */
export const copyFromCases: readonly CopyFromCase[] = [
  ...[
    { what: 'without bytes', bytes: Buffer.alloc(0) },
    { what: 'of a few bytes', bytes: Buffer.from('a;b') },
    { what: 'of more than one part', bytes: someBytes(LARGE) },
  ].map(({ what, bytes }) => ({
    name: `an object ${what} comes to the other bucket, with the headers that were asked for and no others`,
    async run({ from, to, prefix }: CopyFromCaseContext) {
      const [old, key] = [`${prefix}old.bin`, `${prefix}new.csv`]
      const headers = { contentType: 'image/png', contentDisposition: 'inline', cacheControl: 'no-store' }
      await from.put(old, bytes, headers)
      assert.ok(await to.copyFrom?.(sourceOf(from, old), key, { ...NEW, size: bytes.length }))
      const info = await to.head(key)
      assert.ok((await readBytes(to, key)).equals(bytes), 'the bytes differ')
      assert.deepEqual(
        [info.size, info.contentType, info.contentDisposition, info.cacheControl],
        [bytes.length, 'text/csv', 'attachment', undefined],
      )
      assert.equal((await from.head(old)).contentType, 'image/png')
    },
  })),
  {
    name: 'a create-only copy refuses a key that is taken and leaves the object there alone',
    async run({ from, to, prefix }) {
      const key = `${prefix}taken.txt`
      await store(to, key, 'here first')
      for (const bytes of [Buffer.from('other'), someBytes(LARGE)]) {
        await from.put(key, bytes, TEXT)
        await rejectsWith(copy({ from, to }, key, { ...NEW, size: bytes.length }), 'ERR_FILE_EXISTS')
      }
      assert.equal(await readText(to, key), 'here first')
    },
  },
  {
    name: 'a copy that may overwrite replaces what is there',
    async run({ from, to, prefix }) {
      const key = `${prefix}file.txt`
      await store(to, key, 'old')
      await store(from, key, 'newer')
      await copy({ from, to }, key, { ...TEXT, size: 5 })
      assert.equal(await readText(to, key), 'newer')
    },
  },
  {
    name: 'a copy of what is not there fails and leaves nothing',
    async run({ from, to, prefix }) {
      const key = `${prefix}missing.txt`
      for (const size of [5, LARGE]) {
        await rejectsWith(copy({ from, to }, key, { ...NEW, size }), 'ERR_FILE_NOT_FOUND')
        await rejectsWith(to.head(key), 'ERR_FILE_NOT_FOUND')
      }
    },
  },
  {
    name: 'a source of another realm is not copied, and nothing is there',
    async run({ from, to, prefix }) {
      const key = `${prefix}file.txt`
      await store(from, key, 'hello')
      const foreign = { ...sourceOf(from, key), realm: 'elsewhere' }
      assert.equal(await to.copyFrom?.(foreign, key, { ...NEW, size: 5 }), undefined)
      await rejectsWith(to.head(key), 'ERR_FILE_NOT_FOUND')
    },
  },
  {
    name: 'a copy whose signal was aborted fails and leaves nothing',
    async run({ from, to, prefix }) {
      const key = `${prefix}file.bin`
      await from.put(key, someBytes(LARGE), TEXT)
      const options = { ...NEW, size: LARGE, signal: AbortSignal.abort() }
      await rejectsWith(copy({ from, to }, key, options), 'ERR_UPLOAD_ABORTED')
      await rejectsWith(to.head(key), 'ERR_FILE_NOT_FOUND')
    },
  },
  {
    name: 'keys with spaces, signs and letters of any script are copied to the same name',
    async run({ from, to, prefix }) {
      for (const name of ['a b+c', "it's (1)!*", 'ä€😀', '100%25', 'a?b#c&d=e']) {
        const key = `${prefix}${name}.txt`
        await store(from, key, name)
        await copy({ from, to }, key, { ...NEW, size: Buffer.byteLength(name) })
        assert.equal(await readText(to, key), name)
      }
    },
  },
  {
    name: 'neither a source nor a copy has a key that leads out of its place',
    async run({ from, to, prefix }) {
      const key = `${prefix}file.txt`
      await store(from, key, 'hello')
      assert.throws(() => from.copySource?.('../file.txt'), { code: 'ERR_KEY_INVALID' })
      const refused = to.copyFrom?.(sourceOf(from, key), '../file.txt', { ...NEW, size: 5 })
      await rejectsWith(Promise.resolve(refused), 'ERR_KEY_INVALID')
    },
  },
]

async function copy(
  { from, to }: Pick<CopyFromCaseContext, 'from' | 'to'>,
  key: string,
  options: CopyFromOptions,
): Promise<void> {
  const copied = await to.copyFrom?.(sourceOf(from, key), key, options)
  assert.ok(copied !== undefined, 'the driver says that it cannot copy from the other bucket')
}

function sourceOf(driver: Driver, key: string): CopySource {
  const source = driver.copySource?.(key)
  assert.ok(source !== undefined, 'the driver names no source')
  return source
}
