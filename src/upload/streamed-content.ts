import { createHash, type Hash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { bodyError } from '../core/abort.js'
import type { PutBody } from '../core/driver.js'
import { StorageError } from '../core/errors.js'
import { type Content, tooLarge, wrongLength } from './content.js'
import { Pieces } from './pieces.js'
import type { Progress } from './progress.js'

/** A file up to here goes to the driver in one piece: two calls to the backend less, and no stream in between. */
const IN_ONE_PIECE = 256 * 1024

/** What a {@link StreamedContent} must know. */
export interface StreamBounds {
  /** The longest pause of the sender, in seconds. */
  readonly idleTimeout: number
  /** The number of bytes that the sender promised. */
  readonly total: number | undefined
  /** Told when the source or a bound ends the upload. */
  readonly onFailure: (reason: StorageError) => void
  readonly progress: Progress | undefined
}

interface Waiter {
  readonly length: number
  readonly resolve: () => void
  readonly reject: (reason: StorageError) => void
}

/**
 * Content that arrives piece by piece. Every byte passes here once: counted, hashed, and stopped at the limit. There is
 * one listener and no stream where a small file needs none, because a Transform costs more than the hash.
 *
 * It reads from the source but never destroys it, and listens to its errors only meanwhile: both are its owner's business.
 */
export class StreamedContent implements Content {
  readonly #source: Readable
  readonly #bounds: StreamBounds
  #idle: NodeJS.Timeout
  /** When the sender was last heard of, or the backend took what was waiting. */
  #heardAt = performance.now()
  #pieces: Buffer[] = []
  /**
   * Held until the next one comes, for glibc's malloc: pieces lie at the top of its heap, and where V8 frees all of them at
   * once, it hands their pages back to the system, which must clear new ones for the next 32 MiB.
   */
  // biome-ignore lint/correctness/noUnusedPrivateClassMembers: to be held is all that it is for.
  #last: Buffer | undefined
  #size = 0
  #maxSize = 0
  #isReading = false
  #isPaused = false
  #hasEnded = false
  #reason: StorageError | undefined
  #waiter: Waiter | undefined
  #body: Readable | undefined
  #hash: Hash | undefined
  #sha256 = ''

  constructor(source: Readable, bounds: StreamBounds) {
    this.#source = source
    this.#bounds = bounds
    this.#idle = setTimeout(() => this.#onIdle(), bounds.idleTimeout * 1000)
    source.on('error', this.#onError).on('close', this.#onClose)
  }

  get size(): number {
    return this.#size
  }

  get total(): number | undefined {
    return this.#bounds.total
  }

  start(maxSize: number): void {
    if (this.total !== undefined && this.total > maxSize) throw tooLarge(maxSize)
    this.#maxSize = maxSize
    if (this.#source.readableEnded || this.#source.destroyed)
      this.#stop(bodyError(this.#source.errored ?? new Error('read or closed before the upload')))
    if (this.#reason !== undefined) return
    this.#isReading = true
    this.#heardAt = performance.now()
    this.#source.on('data', this.#onData).on('end', this.#onEnd)
    this.#source.resume() // also where its owner had paused it
  }

  has(length: number): boolean {
    if (this.#reason !== undefined) throw this.#reason
    return this.#hasEnded || this.#size >= length
  }

  until(length: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiter = { length, resolve, reject }
    })
  }

  head(length: number): Buffer {
    const [first] = this.#pieces
    const isEnough = first !== undefined && (first.length >= length || this.#pieces.length === 1)
    return isEnough ? first.subarray(0, length) : joined(this.#pieces, length)
  }

  body(): PutBody | Promise<PutBody> {
    if (this.has(IN_ONE_PIECE)) return this.#bodyNow()
    return this.until(IN_ONE_PIECE).then(() => this.#bodyNow())
  }

  #bodyNow(): PutBody {
    if (!this.#hasEnded) return this.#stream()
    const sum = createHash('sha256')
    for (const piece of this.#pieces) sum.update(piece)
    this.#hash = sum
    return this.#pieces
  }

  sha256(): string {
    if (this.#hash !== undefined) this.#sha256 = this.#hash.digest('hex')
    this.#hash = undefined
    return this.#sha256
  }

  fail(reason: StorageError): void {
    if (this.#reason !== undefined || this.#isDone()) return
    this.#reason = reason
    this.#letGo()
    this.#waiter?.reject(reason)
    this.#waiter = undefined
    this.#body?.destroy(reason)
  }

  release(): void {
    this.#letGo()
    this.#source.off('error', this.#onError).off('close', this.#onClose)
    this.#body?.destroy()
  }

  #stream(): Readable {
    const sum = createHash('sha256')
    const body = new Pieces({
      read: () => this.#resume(),
      // The sender's time begins anew when the backend has taken what was waiting.
      onTaken: () => {
        this.#heardAt = performance.now()
      },
      onDestroyed: () => this.#pause(),
    })
    // What it fails by is told by the content; an error that nobody hears would end the process.
    body.on('error', () => {})
    for (const piece of this.#pieces) {
      sum.update(piece)
      body.push(piece)
    }
    this.#pieces = []
    this.#hash = sum
    this.#body = body
    return body
  }

  readonly #onData = (chunk: unknown): void => {
    const bytes = toBuffer(chunk, this.#source)
    if (bytes === undefined) {
      this.#stop(new StorageError('ERR_CONFIG', 'The stream to be stored gives objects, not bytes.'))
      return
    }
    this.#size += bytes.length
    const excess = this.#excess()
    if (excess !== undefined) this.#stop(excess)
    else if (bytes.length > 0) this.#accept(bytes)
  }

  #excess(): StorageError | undefined {
    if (this.#size > this.#maxSize) return tooLarge(this.#maxSize)
    return this.total !== undefined && this.#size > this.total ? wrongLength(this.total) : undefined
  }

  #accept(bytes: Buffer): void {
    this.#heardAt = performance.now()
    if (!this.#take(bytes)) this.#pause()
    this.#bounds.progress?.receive(this.#size)
    if (this.#waiter !== undefined && this.#size >= this.#waiter.length) this.#wake()
  }

  /** Whether more may come at once. */
  #take(bytes: Buffer): boolean {
    this.#last = bytes
    if (this.#body === undefined || this.#hash === undefined) {
      this.#pieces.push(bytes)
      return this.#size < IN_ONE_PIECE
    }
    this.#hash.update(bytes)
    return this.#body.push(bytes)
  }

  readonly #onEnd = (): void => {
    if (this.total !== undefined && this.#size < this.total) {
      this.#stop(wrongLength(this.total))
      return
    }
    this.#hasEnded = true
    this.#letGo()
    this.#body?.push(null)
    this.#wake()
    this.#bounds.progress?.tell('received', this.#size)
  }

  readonly #onError = (error: Error): void => this.#stop(bodyError(error))

  readonly #onClose = (): void => {
    if (!this.#hasEnded) this.#stop(bodyError(this.#source.errored ?? new Error('closed before its end')))
  }

  #onIdle(): void {
    // Where something waits here, the ledger, the backend or a limit is slow. Those have time-outs of their own.
    if (this.#isPaused || !this.#isReading || (this.#body?.readableLength ?? 0) > 0)
      this.#heardAt = performance.now()
    // A timer that is set back for every piece would cost more than a look at the clock.
    const left = this.#heardAt + this.#bounds.idleTimeout * 1000 - performance.now()
    if (left > 0) {
      this.#idle = setTimeout(() => this.#onIdle(), left)
      return
    }
    const message = `The sender paused for more than ${this.#bounds.idleTimeout} seconds.`
    this.#stop(new StorageError('ERR_UPLOAD_TIMEOUT', message))
  }

  #stop(reason: StorageError): void {
    if (this.#reason !== undefined || this.#isDone()) return
    this.fail(reason)
    this.#bounds.onFailure(reason)
  }

  #isDone(): boolean {
    return this.#hasEnded && (this.#body === undefined || this.#body.readableEnded)
  }

  #wake(): void {
    this.#waiter?.resolve()
    this.#waiter = undefined
  }

  #pause(): void {
    if (this.#isPaused || !this.#isReading) return
    this.#isPaused = true
    this.#source.pause()
  }

  #resume(): void {
    if (!this.#isPaused || !this.#isReading) return
    this.#isPaused = false
    this.#heardAt = performance.now()
    this.#source.resume()
  }

  #letGo(): void {
    clearTimeout(this.#idle)
    if (!this.#isReading) return
    this.#isReading = false
    this.#source.off('data', this.#onData).off('end', this.#onEnd)
    if (!this.#hasEnded) this.#source.pause()
  }
}

/** The first `length` bytes of all pieces. */
function joined(pieces: readonly Buffer[], length: number): Buffer {
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0)
  return Buffer.concat(pieces, Math.min(size, length))
}

function toBuffer(chunk: unknown, { readableEncoding }: Readable): Buffer | undefined {
  if (Buffer.isBuffer(chunk)) return chunk
  if (typeof chunk === 'string') return Buffer.from(chunk, readableEncoding ?? 'utf8')
  return chunk instanceof Uint8Array ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) : undefined
}
