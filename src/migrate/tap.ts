import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { FillingBody } from '../core/filling-body.js'
import type { Verify } from './options.js'
import type { RateLimit } from './rate-limit.js'

/** What was found in the bytes. */
export interface Facts {
  readonly size: number
  readonly sha256: string | null
}

/** How bytes are read. */
export interface ReadContext {
  readonly verify: Verify
  readonly rate: RateLimit
  readonly signal: AbortSignal | undefined
}

/** Counts and hashes bytes on their way. */
export class Tap {
  readonly #context: ReadContext
  readonly #hash = createHash('sha256')
  #size = 0

  constructor(context: ReadContext) {
    this.#context = context
  }

  through(source: Readable): Readable {
    const pass = async function* (this: Tap) {
      for await (const chunk of source) {
        await this.pass(chunk)
        yield chunk
      }
    }
    return Readable.from(pass.call(this), { objectMode: false })
  }

  /** Bytes on their way: waits until they may go on. */
  async pass(bytes: Uint8Array, signal = this.#context.signal): Promise<void> {
    await this.#context.rate.take(bytes.length, signal)
    this.#add(bytes)
  }

  async drain(source: Readable): Promise<void> {
    for await (const chunk of source) this.#add(chunk)
  }

  facts(): Facts {
    const { verify } = this.#context
    return { size: this.#size, sha256: verify === 'size' ? null : this.#hash.digest('hex') }
  }

  #add(bytes: Uint8Array): void {
    this.#size += bytes.length
    if (this.#context.verify !== 'size') this.#hash.update(bytes)
  }
}

/** A body with a {@link Tap}, for whoever does not read it in pieces. */
export class TappedBody extends FillingBody {
  readonly #source: FillingBody
  readonly #tap: Tap
  /** Aborts with the stream, which whoever reads it destroys for the signal of the move too. */
  readonly #end = new AbortController()

  constructor(source: FillingBody, tap: Tap) {
    super()
    this.#source = source
    this.#tap = tap
  }

  get left(): number {
    return this.#source.left
  }

  async fill(into: Uint8Array): Promise<number> {
    const length = await this.#source.fill(into)
    await this.#tap.pass(into.subarray(0, length), this.#end.signal)
    return length
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#end.abort()
    this.#source.destroy()
    done(error)
  }
}
