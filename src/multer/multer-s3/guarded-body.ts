import { createHash } from 'node:crypto'
import { Transform, type TransformCallback } from 'node:stream'
import { StorageError } from '../../core/errors.js'

/** What a {@link GuardedBody} allows. */
export interface BodyBounds {
  /** How many bytes at its start are looked at. */
  headSize: number
  /** In bytes. */
  maxSize: number
  /** The longest pause of the sender, in seconds. */
  idleTimeout: number
}

/**
 * The bytes of one file on their way to an engine that is not ours. Nothing but an error tells such an engine that a
 * file is cut, so every bound ends the stream with one.
 */
export class GuardedBody extends Transform {
  /** The first bytes, or all of a shorter file; rejects with what the stream fails by. */
  readonly head: Promise<Buffer>
  readonly #bounds: BodyBounds
  readonly #hash = createHash('sha256')
  readonly #idle: NodeJS.Timeout
  #pieces: Buffer[] = []
  #size = 0
  #settleHead!: { resolve: (head: Buffer) => void; reject: (reason: unknown) => void }

  constructor(bounds: BodyBounds) {
    // The head must fit in, since nobody reads before it is judged.
    super({ readableHighWaterMark: 2 * bounds.headSize })
    this.#bounds = bounds
    this.#idle = setTimeout(() => this.#onIdle(), bounds.idleTimeout * 1000)
    this.head = new Promise((resolve, reject) => {
      this.#settleHead = { resolve, reject }
    })
    this.head.catch(() => {}) // it fails with the stream, whether or not somebody waits for it
  }

  /** Bytes so far. Not called size: the AWS SDK takes `size` of a body for its whole length. */
  get received(): number {
    return this.#size
  }

  /** Of all bytes, as 64 hexadecimal digits; to be asked once, at the end. */
  sha256(): string {
    return this.#hash.digest('hex')
  }

  override _transform(bytes: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#idle.refresh()
    this.#size += bytes.length
    const { maxSize, headSize } = this.#bounds
    if (this.#size > maxSize) {
      const message = `The file is larger than the ${maxSize} bytes allowed here.`
      callback(new StorageError('ERR_FILE_TOO_LARGE', message))
      return
    }
    this.#hash.update(bytes)
    if (this.#size - bytes.length < headSize) this.#pieces.push(bytes)
    if (this.#size >= headSize) this.#tellHead()
    callback(null, bytes)
  }

  override _flush(callback: TransformCallback): void {
    clearTimeout(this.#idle)
    this.#tellHead()
    callback()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#idle)
    this.#settleHead.reject(error)
    callback(error)
  }

  #tellHead(): void {
    this.#settleHead.resolve(Buffer.concat(this.#pieces).subarray(0, this.#bounds.headSize))
    this.#pieces = []
  }

  #onIdle(): void {
    // Bytes that wait here mean that the backend is slow; the sender is not idle.
    if (this.readableLength > 0) {
      this.#idle.refresh()
      return
    }
    const message = `The sender paused for more than ${this.#bounds.idleTimeout} seconds.`
    this.destroy(new StorageError('ERR_UPLOAD_TIMEOUT', message))
  }
}
