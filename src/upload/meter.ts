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
  #verdict: StorageError | undefined

  constructor(limits: MeterLimits) {
    // A stream of objects may be piped in: refusing what is not bytes is this class's own business, because a
    // stream of bytes refuses it by an exception that nobody can catch.
    super({ readableHighWaterMark: 256 * 1024, writableObjectMode: true, writableHighWaterMark: 2 })
    this.#limits = limits
    this.#idle = setTimeout(() => this.#onIdle(), limits.idleTimeout * 1000)
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size
  }

  /** Why it stopped, where that was its own decision and not somebody else's failure. */
  get verdict(): StorageError | undefined {
    return this.#verdict
  }

  /** Of all bytes, as 64 hexadecimal digits; to be asked once, at the end. */
  sha256(): string {
    return this.#hash.digest('hex')
  }

  /** The sender's time begins anew when the backend has taken what was waiting. */
  override read(size?: number): Buffer | null {
    const bytes: Buffer | null = super.read(size)
    if (bytes !== null) this.#idle.refresh()
    return bytes
  }

  override _transform(chunk: unknown, encoding: BufferEncoding, callback: TransformCallback): void {
    this.#idle.refresh()
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
    if (!(bytes instanceof Uint8Array)) {
      callback(
        this.#stopFor(new StorageError('ERR_CONFIG', 'The stream to be stored gives objects, not bytes.')),
      )
      return
    }
    this.#size += bytes.length
    if (this.#size > this.#limits.maxSize) {
      callback(this.#stopFor(tooLarge(this.#limits.maxSize)))
      return
    }
    this.#hash.update(bytes)
    callback(null, bytes)
  }

  override _flush(callback: TransformCallback): void {
    clearTimeout(this.#idle)
    callback()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#idle)
    callback(error)
  }

  #stopFor(verdict: StorageError): StorageError {
    this.#verdict = verdict
    return verdict
  }

  #onIdle(): void {
    // Bytes that wait here mean that the backend is slow, which has time-outs of its own; the sender is not idle.
    if (this.readableLength > 0) {
      this.#idle.refresh()
      return
    }
    const message = `The sender paused for more than ${this.#limits.idleTimeout} seconds.`
    this.destroy(this.#stopFor(new StorageError('ERR_UPLOAD_TIMEOUT', message)))
  }
}

/** @param maxSize in bytes */
function tooLarge(maxSize: number): StorageError {
  return new StorageError('ERR_FILE_TOO_LARGE', `The file is larger than the ${maxSize} bytes allowed here.`)
}
