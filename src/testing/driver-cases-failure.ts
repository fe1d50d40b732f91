import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { StorageError } from '../core/errors.js'
import {
  type DriverCase,
  type DriverCaseContext,
  failingStream,
  LARGE,
  leavesNothing,
  listKeys,
  MIB,
  promptly,
  readText,
  rejectsWith,
  someBytes,
  stallingStream,
  store,
  streamOf,
  TEXT,
} from './driver-cases-support.js'

/** Where a body may end: at once, inside of the first part, and when parts are on their way. */
const MOMENTS = [
  { when: 'before its first byte', bytes: Buffer.alloc(0) },
  { when: 'inside of the first part', bytes: someBytes(100_000) },
  { when: 'after the first part', bytes: someBytes(11 * MIB) },
]

export const failureCases: DriverCase[] = [
  ...MOMENTS.flatMap(({ when, bytes }): DriverCase[] => [
    {
      name: `a body that fails ${when} leaves nothing`,
      async run(context) {
        const key = `${context.prefix}file.bin`
        const body = failingStream(bytes, new Error('the disk under the body broke'))
        await rejectsWith(context.driver.put(key, body, TEXT), 'ERR_UPLOAD_ABORTED')
        await leavesNothing(context, key, body)
      },
    },
    {
      name: `a body that is closed ${when} leaves nothing`,
      async run(context) {
        const key = `${context.prefix}file.bin`
        const body = stallingStream(bytes)
        setTimeout(() => body.destroy(), 50)
        await rejectsWith(promptly(context.driver.put(key, body, TEXT)), 'ERR_UPLOAD_ABORTED')
        await leavesNothing(context, key, body)
      },
    },
    {
      name: `a body that stalls ${when} ends promptly when the put is aborted, and leaves nothing`,
      async run(context) {
        const key = `${context.prefix}file.bin`
        const body = stallingStream(bytes)
        const abort = new AbortController()
        const put = context.driver.put(key, body, { ...TEXT, signal: abort.signal })
        put.catch(() => {})
        await sleep(100)
        abort.abort()
        await rejectsWith(promptly(put), 'ERR_UPLOAD_ABORTED')
        await leavesNothing(context, key, body)
      },
    },
  ]),
  {
    name: 'an abort while bytes are flowing leaves nothing',
    async run(context) {
      for (const wait of [0, 5, 20, 60]) {
        const key = `${context.prefix}${wait}.bin`
        await abortAfter(context, key, wait)
      }
    },
  },
  {
    name: "a body's own StorageError comes through as it is",
    async run(context) {
      const key = `${context.prefix}file.bin`
      const error = new StorageError('ERR_FILE_TOO_LARGE', 'The file is too large.')
      const thrown = await rejectsWith(
        context.driver.put(key, failingStream(someBytes(10), error), TEXT),
        'ERR_FILE_TOO_LARGE',
      )
      assert.equal(thrown, error)
      await leavesNothing(context, key)
    },
  },
  {
    name: "an abort's own StorageError comes through as it is",
    async run(context) {
      const key = `${context.prefix}file.bin`
      const error = new StorageError('ERR_UPLOAD_TIMEOUT', 'The upload took too long.')
      const abort = new AbortController()
      const put = context.driver.put(key, stallingStream(someBytes(10)), { ...TEXT, signal: abort.signal })
      abort.abort(error)
      assert.equal(await rejectsWith(promptly(put), 'ERR_UPLOAD_TIMEOUT'), error)
      await leavesNothing(context, key)
    },
  },
  {
    name: 'a signal that is aborted already stops every method',
    async run({ driver, prefix }) {
      const key = `${prefix}file.txt`
      await store(driver, key, 'still here')
      const signal = AbortSignal.abort()
      const body = streamOf(Buffer.from('new'))
      await rejectsWith(driver.put(key, body, { ...TEXT, signal }), 'ERR_UPLOAD_ABORTED')
      assert.ok(body.destroyed, 'the body was left open')
      await rejects(driver.get(key, { signal }))
      await rejects(driver.head(key, { signal }))
      await rejects(driver.copy(key, `${prefix}copy.txt`, { signal }))
      await rejects(driver.delete(key, { signal }))
      await rejects(firstOf(driver.list(prefix, { signal })))
      assert.equal(await readText(driver, key), 'still here')
      assert.deepEqual(await listKeys(driver, prefix), [key])
    },
  },
  {
    name: 'a body that is shorter or longer than its size leaves nothing',
    async run(context) {
      for (const size of [9, 11, LARGE]) {
        const key = `${context.prefix}${size}.bin`
        await rejectsWith(
          context.driver.put(key, streamOf(someBytes(10)), { ...TEXT, size }),
          'ERR_UPLOAD_ABORTED',
        )
        await leavesNothing(context, key)
      }
    },
  },
  {
    name: 'a body that was read before is refused, not stored as an empty file',
    async run(context) {
      for (const autoDestroy of [true, false]) {
        const key = `${context.prefix}${autoDestroy}.bin`
        const body = new PassThrough({ autoDestroy })
        body.end('read already')
        await text(body)
        await rejectsWith(promptly(context.driver.put(key, body, TEXT)), 'ERR_UPLOAD_ABORTED')
        await leavesNothing(context, key, body)
      }
    },
  },
  {
    name: 'a failed put leaves the object that was there',
    async run({ driver, prefix }) {
      const key = `${prefix}file.txt`
      await store(driver, key, 'old')
      for (const { bytes } of MOMENTS) {
        await rejectsWith(
          driver.put(key, failingStream(bytes, new Error('broken')), TEXT),
          'ERR_UPLOAD_ABORTED',
        )
        assert.equal(await readText(driver, key), 'old')
      }
    },
  },
  {
    name: 'a key that is not there: get, head and copy say so, delete does not mind',
    async run({ driver, prefix }) {
      const key = `${prefix}missing.txt`
      await rejectsWith(driver.get(key), 'ERR_FILE_NOT_FOUND')
      await rejectsWith(driver.get(key, { range: { start: 0 } }), 'ERR_FILE_NOT_FOUND')
      await rejectsWith(driver.head(key), 'ERR_FILE_NOT_FOUND')
      await rejectsWith(driver.copy(key, `${prefix}copy.txt`), 'ERR_FILE_NOT_FOUND')
      await rejectsWith(driver.copy(key, key), 'ERR_FILE_NOT_FOUND')
      await driver.delete(key)
      assert.deepEqual(await listKeys(driver, prefix), [])
    },
  },
]

/** Either the put was quicker than the abort, or it left nothing. */
async function abortAfter(context: DriverCaseContext, key: string, wait: number): Promise<void> {
  const abort = new AbortController()
  const put = context.driver.put(key, streamOf(someBytes(11 * MIB)), { ...TEXT, signal: abort.signal })
  setTimeout(() => abort.abort(), wait)
  const outcome = await promptly(put.catch((error: unknown) => error))
  if (outcome instanceof Error) await leavesNothing(context, key)
}

async function rejects(promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promptly(promise), error => StorageError.is(error))
}

async function firstOf(entries: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of entries) return
}
