import { abortError, bodyError, throwIfAborted } from './abort.js'
import type { PutBody } from './driver.js'
import { StorageError } from './errors.js'

/** What {@link readBody} must know of a put. */
export interface BodyOptions {
  /** The length that the caller promised, in bytes. */
  size?: number
  signal?: AbortSignal
}

/**
 * Takes a body over. Call it before the first `await`: a stream may fail while nobody reads it yet, and an error
 * without a listener ends the process. Whoever reads the stream later still gets the error.
 */
export function takeBody(body: PutBody): void {
  if (!isInMemory(body)) body.on('error', ignore)
}

/** Lets go of a body that nobody will read any more. */
export function endBody(body: PutBody): void {
  if (!isInMemory(body)) body.on('error', ignore).destroy()
}

/** Whether all bytes of a body are there, in one piece or in several: such a body can be read again. */
export function isInMemory(body: PutBody): body is Uint8Array | readonly Uint8Array[] {
  return body instanceof Uint8Array || Array.isArray(body)
}

/**
 * The pieces of a body, for drivers that write them one by one. A stream is destroyed whatever happens, and an
 * abort ends the waiting for a sender who is silent. A body that ends early, that is not as long as promised, or
 * that was read before is an error, never a shorter file.
 *
 * @throws the body's own StorageError or the abort's, ERR_UPLOAD_ABORTED for everything else
 */
export async function* readBody(body: PutBody, { size, signal }: BodyOptions): AsyncGenerator<Uint8Array> {
  const hold = new Hold(body, signal)
  try {
    throwIfAborted(signal)
    let seen = 0
    // One generator for all: each one more takes three promises for every chunk.
    for await (const chunk of piecesOf(body)) {
      const bytes = toBytes(chunk)
      seen += bytes.length
      if (bytes.length > 0) yield bytes
    }
    assertLength(seen, size)
    throwIfAborted(signal)
  } catch (error) {
    throw hold.reasonFor(error)
  } finally {
    hold.end()
  }
}

/**
 * What `parts` yields and returns of a body that it reads by itself, for as long as nobody aborts. A stream is destroyed whatever
 * happens.
 *
 * @throws as {@link readBody} does
 */
export async function* whileTaken<T, R>(
  body: PutBody,
  signal: AbortSignal | undefined,
  parts: () => AsyncGenerator<T, R>,
): AsyncGenerator<T, R> {
  const hold = new Hold(body, signal)
  try {
    throwIfAborted(signal)
    const result = yield* parts()
    throwIfAborted(signal)
    return result
  } catch (error) {
    throw hold.reasonFor(error)
  } finally {
    hold.end()
  }
}

/** A body that is being read: it ends with the reading, or as soon as somebody aborts. */
class Hold {
  readonly #body: PutBody
  readonly #signal: AbortSignal | undefined
  readonly #stop = () => endBody(this.#body)

  constructor(body: PutBody, signal: AbortSignal | undefined) {
    this.#body = body
    this.#signal = signal
    signal?.addEventListener('abort', this.#stop, { once: true })
  }

  /** Why reading failed: the abort comes before all that follows from it. */
  reasonFor(error: unknown): StorageError {
    return this.#signal?.aborted ? abortError(this.#signal) : bodyError(error)
  }

  end(): void {
    this.#signal?.removeEventListener('abort', this.#stop)
    endBody(this.#body)
  }
}

/** @throws ERR_UPLOAD_ABORTED for a body of another length than was promised */
export function assertLength(length: number, promised: number | undefined): void {
  if (promised === undefined || length === promised) return
  throw aborted(`${promised} bytes were promised, and ${length} came.`)
}

/**
 * What a body is made of; of a stream, the stream itself.
 *
 * @throws ERR_UPLOAD_ABORTED where it was read or closed before: iterating over it would look like an empty file
 */
export function piecesOf(body: PutBody): Iterable<Uint8Array> | AsyncIterable<unknown> {
  if (isInMemory(body)) return body instanceof Uint8Array ? [body] : body
  if (body.readableEnded || (body.destroyed && body.errored === null))
    throw aborted('The body was read or closed before the upload.')
  return body
}

/** @throws ERR_UPLOAD_ABORTED for a piece that holds no bytes */
export function toBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk
  if (typeof chunk === 'string') return Buffer.from(chunk)
  throw aborted('The body must be a stream of bytes, not of objects.')
}

function aborted(message: string): StorageError {
  return new StorageError('ERR_UPLOAD_ABORTED', message)
}

function ignore(): void {}
