import type { Readable } from 'node:stream'
import type { PutBody } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'

/**
 * Cuts a body into pieces of `partSize` bytes, the last one shorter. A body that ends early, or that was read
 * before, is an error and never a shorter file.
 */
export class BodyReader {
  readonly #partSize: number
  readonly #size: number | undefined
  readonly #stream: Readable | undefined
  readonly #chunks: AsyncIterator<unknown> | Iterator<Uint8Array>
  #rest: Uint8Array | undefined
  #seen = 0

  /** @param size the length that the caller promised */
  constructor(body: PutBody, partSize: number, size: number | undefined) {
    this.#partSize = partSize
    this.#size = size
    if (body instanceof Uint8Array) {
      this.#chunks = [body].values()
      return
    }
    this.#stream = body
    // From here on the stream is ours: an error that comes after the last read must not end the process.
    body.on('error', () => {})
    // Without autoDestroy such a stream would pass for an empty one.
    if (body.readableEnded) throw aborted('The body was read before the upload.')
    this.#chunks = body[Symbol.asyncIterator]()
  }

  /**
   * The next piece, or undefined at the end.
   *
   * @throws ERR_UPLOAD_ABORTED when the body fails or is not as long as promised; the body's own StorageError
   *   comes through as it is
   */
  async next(): Promise<Uint8Array | undefined> {
    const pieces: Uint8Array[] = []
    let length = 0
    while (length < this.#partSize) {
      const chunk = this.#rest ?? (await this.#read())
      this.#rest = undefined
      if (chunk === undefined) break
      const fits = chunk.subarray(0, this.#partSize - length)
      if (fits.length < chunk.length) this.#rest = chunk.subarray(fits.length)
      pieces.push(fits)
      length += fits.length
    }
    const [first] = pieces
    if (first === undefined || pieces.length === 1) return first
    return Buffer.concat(pieces, length)
  }

  /** Ends the body, wherever it is. */
  destroy(): void {
    this.#stream?.destroy()
  }

  async #read(): Promise<Uint8Array | undefined> {
    try {
      for (;;) {
        const { done, value } = await this.#chunks.next()
        if (done) return this.#end()
        const chunk = toBytes(value)
        if (chunk.length > 0) return this.#count(chunk)
      }
    } catch (error) {
      throw StorageError.is(error) ? error : aborted('The body of the upload failed before its end.', error)
    }
  }

  #count(chunk: Uint8Array): Uint8Array {
    this.#seen += chunk.length
    if (this.#size !== undefined && this.#seen > this.#size)
      throw aborted(`The body is longer than its ${this.#size} bytes.`)
    return chunk
  }

  #end(): undefined {
    if (this.#size !== undefined && this.#seen < this.#size) {
      throw aborted(`The body ended after ${this.#seen} of its ${this.#size} bytes.`)
    }
  }
}

function toBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  if (typeof value === 'string') return Buffer.from(value)
  throw aborted('The body must be a stream of bytes, not of objects.')
}

function aborted(message: string, cause?: unknown): StorageError {
  return new StorageError('ERR_UPLOAD_ABORTED', message, { operation: 'put', cause })
}
