import { createHash } from 'node:crypto'
import { Transform, type TransformCallback } from 'node:stream'
import { StorageError } from '../core/errors.js'

/** What a {@link Meter} allows. */
export interface MeterLimits {
  /** In bytes. */
  maxSize: number
  /** The longest pause of the sender, in seconds. */
  idleTimeout: number
}

/**
 * Every byte of an upload passes through here once: counted, hashed, and stopped at the limit. Being stopped
 * destroys the stream, so that nothing downstream can mistake a cut file for a finished one.
 */
export class Meter extends Transform {
  readonly #hash = createHash('sha256')
  readonly #limits: MeterLimits
  readonly #idle: NodeJS.Timeout
  #size = 0

  constructor(limits: MeterLimits) {
    super({ readableHighWaterMark: 256 * 1024 })
    this.#limits = limits
    this.#idle = setTimeout(() => this.#onIdle(), limits.idleTimeout * 1000)
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size
  }

  /** Of all bytes, as 64 hexadecimal digits; to be asked once, at the end. */
  sha256(): string {
    return this.#hash.digest('hex')
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#idle.refresh()
    this.#size += chunk.length
    if (this.#size > this.#limits.maxSize) {
      callback(tooLarge(this.#limits.maxSize))
      return
    }
    this.#hash.update(chunk)
    callback(null, chunk)
  }

  override _flush(callback: TransformCallback): void {
    clearTimeout(this.#idle)
    callback()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#idle)
    callback(error)
  }

  #onIdle(): void {
    // Bytes that wait here mean that the backend is slow, which has time-outs of its own; the sender is not idle.
    if (this.readableLength > 0) this.#idle.refresh()
    else
      this.destroy(
        new StorageError(
          'ERR_UPLOAD_TIMEOUT',
          `The sender paused for more than ${this.#limits.idleTimeout} seconds.`,
        ),
      )
  }
}

/** @param maxSize in bytes */
export function tooLarge(maxSize: number): StorageError {
  return new StorageError('ERR_FILE_TOO_LARGE', `The file is larger than the ${maxSize} bytes allowed here.`)
}
