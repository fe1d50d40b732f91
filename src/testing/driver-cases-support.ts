import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Driver, ObjectEntry, PutBody, PutOptions } from '../core/driver.js'
import { StorageError, type StorageErrorCode } from '../core/errors.js'

/** What a case runs against. */
export interface DriverCaseContext {
  /** Ready for use. */
  readonly driver: Driver
  /** Nobody else's, empty, and ending with `/`. */
  readonly prefix: string
  /** Fetches signed URLs; needed where the backend's host names do not resolve. Default: the global one. */
  readonly fetch?: typeof fetch
  /** How many uploads were begun and neither finished nor aborted, where the backend has such a thing. */
  readonly openUploads?: () => Promise<number>
}

/** One promise of the driver contract. Plain data: any test runner can run it. */
export interface DriverCase {
  /** A sentence about behaviour. */
  readonly name: string
  /** The capability without which the case does not apply. */
  readonly needs?: 'createOnly' | 'metadata' | 'signedUrls'
  /** Rejects when the driver does not keep the promise. */
  run(context: DriverCaseContext): Promise<void>
}

export const MIB = 1024 * 1024
/** More than one part of a driver whose parts have S3's smallest size, and no multiple of it. */
export const LARGE = 6 * MIB + 17
export const TEXT: PutOptions = { contentType: 'text/plain' }

/** Bytes that differ at every offset that matters: parts in the wrong order would show. */
export function someBytes(length: number, seed = 'driver cases'): Buffer {
  const block = createHash('shake256', { outputLength: 64 * 1024 + 1 })
    .update(seed)
    .digest()
  return Buffer.alloc(length, block)
}

/** A stream of unknown length that gives `bytes` in odd pieces. */
export function streamOf(bytes: Uint8Array): Readable {
  return Readable.from(pieces(bytes), { objectMode: false })
}

/** A stream that gives `bytes` and then fails. */
export function failingStream(bytes: Uint8Array, error: Error): Readable {
  async function* generate() {
    yield* pieces(bytes)
    await sleep(5)
    throw error
  }
  return Readable.from(generate(), { objectMode: false })
}

/** A stream that gives `bytes` and then nothing more, without ending. */
export function stallingStream(bytes: Uint8Array): Readable {
  const rest = pieces(bytes)
  return new Readable({
    read() {
      const { done, value } = rest.next()
      if (!done) this.push(value)
    },
  })
}

function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  const size = 100_003
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
}

export async function store(
  driver: Driver,
  key: string,
  text: string,
  options: Partial<PutOptions> = {},
): Promise<void> {
  await driver.put(key, Buffer.from(text), { ...TEXT, ...options })
}

export async function readBytes(driver: Driver, key: string): Promise<Buffer> {
  const { body } = await driver.get(key)
  return buffer(body)
}

export async function readText(driver: Driver, key: string): Promise<string> {
  return (await readBytes(driver, key)).toString()
}

export async function listAll(driver: Driver, prefix: string): Promise<ObjectEntry[]> {
  const entries: ObjectEntry[] = []
  for await (const entry of driver.list(prefix)) entries.push(entry)
  return entries
}

export async function listKeys(driver: Driver, prefix: string): Promise<string[]> {
  return (await listAll(driver, prefix)).map(entry => entry.key)
}

/** Asserts that `promise` rejects with a StorageError of this code, and gives it back. */
export async function rejectsWith(
  promise: Promise<unknown>,
  ...codes: StorageErrorCode[]
): Promise<StorageError> {
  const wanted = codes.join(' or ')
  const error = await promise.then(
    () => assert.fail(`expected ${wanted}, but it succeeded`),
    (reason: unknown) => reason,
  )
  if (error instanceof assert.AssertionError) throw error // of promptly
  assert.ok(StorageError.is(error), `expected a StorageError with ${wanted}, not ${String(error)}`)
  assert.ok(codes.includes(error.code), `expected ${wanted}, not ${error.code}: ${error.message}`)
  return error
}

/** Asserts that a put that failed has left nothing: no object, no open upload, no open body. */
export async function leavesNothing(
  { driver, openUploads }: DriverCaseContext,
  key: string,
  body?: PutBody,
): Promise<void> {
  await rejectsWith(driver.head(key), 'ERR_FILE_NOT_FOUND')
  if (openUploads !== undefined) assert.equal(await openUploads(), 0, 'an upload was left open')
  if (body instanceof Readable) assert.ok(body.destroyed, 'the body was left open')
}

/** Asserts that `promise` settles soon. */
export async function promptly<T>(promise: Promise<T>): Promise<T> {
  const limit = 3_000
  const timer = new AbortController()
  const late = sleep(limit, undefined, { signal: timer.signal }).then(() =>
    assert.fail(`still waiting ${limit} ms after the body ended or the signal aborted`),
  )
  try {
    return await Promise.race([promise, late])
  } finally {
    late.catch(() => {})
    timer.abort()
  }
}

/** The keys in the order of their UTF-8 bytes. */
export function inByteOrder(keys: string[]): string[] {
  return keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}
