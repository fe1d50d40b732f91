import { abortError } from './abort.js'
import type { Block } from './block.js'
import type { UploadMemory } from './upload-memory.js'

/**
 * The memory of one upload's blocks, used again and again, and counted against the budget that all uploads share.
 * Left to the garbage collector, sent blocks pile up: a stream of 1 GiB took some 20 MiB more that way ("Memory of a
 * large upload", docs/reference/benchmarks.md).
 */
export class BlockMemory {
  readonly blockSize: number
  readonly #budget: UploadMemory
  readonly #signal: AbortSignal | undefined
  readonly #own = new Set<ArrayBufferLike>()
  readonly #spare: ArrayBufferLike[] = []
  /** Blocks that are reserved, whether they are laid out or not. */
  #reserved = 0
  #wake: (() => void) | undefined

  /** @param signal ends every waiting for memory */
  constructor(budget: UploadMemory, blockSize: number, signal?: AbortSignal) {
    this.#budget = budget
    this.blockSize = blockSize
    this.#signal = signal
  }

  /** Waits until one block is there for this upload. */
  async reserveOne(): Promise<void> {
    if (this.#reserved > 0) return
    await this.#budget.reserve(this.blockSize, this.#signal)
    this.#reserved = 1
  }

  /** A block to fill: one that was given back, a further one where the budget has it, else the next to come back. */
  async take(): Promise<Buffer> {
    await this.reserveOne()
    for (;;) {
      const block = this.tryTake()
      if (block !== undefined) return block
      await this.#nextSpare()
    }
  }

  /** The same, but only what is there without waiting. */
  tryTake(): Buffer | undefined {
    const known = this.#spare.pop()
    if (known !== undefined) return Buffer.from(known, 0, this.blockSize)
    if (this.#own.size < this.#reserved) return this.#make()
    if (!this.#budget.tryReserve(this.blockSize)) return undefined
    this.#reserved++
    return this.#make()
  }

  /**
   * Nobody may read the block any more. One that is the application's own memory stays its own. All but the last go
   * back to the budget at once: the sender may pause from here on, and others wait for memory.
   */
  giveBack({ chunks }: Block): void {
    for (const { buffer } of chunks) if (this.#own.has(buffer)) this.#giveBackOne(buffer)
  }

  /** The upload is over. Only what was given back is used again: a sender that failed may still look at the rest. */
  end(): void {
    if (this.#reserved === 0) return
    this.#budget.release(this.#reserved * this.blockSize)
    this.#reserved = 0
    this.#own.clear()
    for (const memory of this.#spare.splice(0)) this.#budget.recycle(memory)
  }

  #giveBackOne(memory: ArrayBufferLike): void {
    if (this.#reserved > 1) {
      this.#own.delete(memory)
      this.#reserved--
      this.#budget.release(this.blockSize)
      this.#budget.recycle(memory)
    } else this.#spare.push(memory)
    this.#wake?.()
  }

  #make(): Buffer {
    const made = this.#budget.layOut(this.blockSize)
    this.#own.add(made)
    return Buffer.from(made, 0, this.blockSize)
  }

  async #nextSpare(): Promise<void> {
    const signal = this.#signal
    let onAbort = () => {}
    try {
      await new Promise<void>((resolve, reject) => {
        onAbort = () => reject(abortError(signal))
        this.#wake = resolve
        signal?.addEventListener('abort', onAbort, { once: true })
        if (signal?.aborted) onAbort()
      })
    } finally {
      this.#wake = undefined
      signal?.removeEventListener('abort', onAbort)
    }
  }
}
