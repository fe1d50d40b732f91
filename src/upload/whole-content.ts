import { createHash, hash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { StorageError } from '../core/errors.js'
import { type Content, tooLarge, wrongLength } from './content.js'
import type { Progress } from './progress.js'

/** How much is hashed in one go, so that a large file does not hold up everything else: some two milliseconds. */
const HASHED_AT_ONCE = 4 * 1024 * 1024

/** Content that is in memory as a whole: it goes to the driver as it is, without a stream. */
export class WholeContent implements Content {
  readonly total: number
  readonly #bytes: Buffer
  readonly #promised: number | undefined
  readonly #progress: Progress | undefined
  #sha256 = ''
  #reason: StorageError | undefined

  constructor(bytes: Uint8Array, promised: number | undefined, progress: Progress | undefined) {
    this.#progress = progress
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.total = bytes.length
    this.#promised = promised
  }

  get size(): number {
    return this.total
  }

  start(maxSize: number): void {
    if (this.total > maxSize) throw tooLarge(maxSize)
    if (this.#promised !== undefined && this.#promised !== this.total) throw wrongLength(this.#promised)
    this.#progress?.tell('received', this.total)
  }

  has(): boolean {
    if (this.#reason !== undefined) throw this.#reason
    return true
  }

  async until(): Promise<void> {}

  head(length: number): Buffer {
    return this.#bytes.subarray(0, length)
  }

  body(): Buffer | Promise<Buffer> {
    if (this.total > HASHED_AT_ONCE) return this.#hashInTurns()
    this.#sha256 = hash('sha256', this.#bytes, 'hex')
    return this.#bytes
  }

  sha256(): string {
    return this.#sha256
  }

  fail(reason: StorageError): void {
    this.#reason ??= reason
  }

  release(): void {}

  async #hashInTurns(): Promise<Buffer> {
    const sum = createHash('sha256')
    for (let start = 0; start < this.total; start += HASHED_AT_ONCE) {
      if (this.#reason !== undefined) throw this.#reason
      sum.update(this.#bytes.subarray(start, start + HASHED_AT_ONCE))
      await nextTurn()
    }
    this.#sha256 = sum.digest('hex')
    return this.#bytes
  }
}
