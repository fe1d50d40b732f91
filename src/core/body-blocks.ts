import { type BodyOptions, readBody } from './body.js'
import type { PutBody } from './driver.js'

/**
 * The memory of one upload's blocks, used again and again. Left to the garbage collector, sent blocks pile up: a
 * stream of 1 GiB took some 20 MiB more that way ("Memory of a large upload", docs/reference/benchmarks.md).
 */
export class BlockMemory {
  readonly #own = new Set<ArrayBufferLike>()
  readonly #spare: ArrayBufferLike[] = []

  take(size: number): Buffer {
    const known = this.#spare.pop()
    if (known !== undefined) return Buffer.from(known, 0, size)
    const made = Buffer.allocUnsafeSlow(size)
    this.#own.add(made.buffer)
    return made
  }

  /** Nobody may read the block any more. One that is the application's own memory stays its own. */
  giveBack(block: Buffer): void {
    if (this.#own.has(block.buffer)) this.#spare.push(block.buffer)
  }
}

/**
 * A body in blocks of `blockSize` bytes, the last one shorter. Rejects as {@link readBody} does, so a body that
 * ends early is never a shorter file.
 */
export async function* blocksOf(
  body: PutBody,
  blockSize: number,
  options: BodyOptions & { memory: BlockMemory },
): AsyncGenerator<Buffer, undefined> {
  if (body instanceof Uint8Array) return yield* slicesOf(body, blockSize, options)
  const { memory } = options
  // Memory for a whole block is taken when the body is known to fill one: most files are much smaller.
  const first: Uint8Array[] = []
  let block: Buffer | undefined
  let length = 0
  let isLarge = false
  for await (let chunk of readBody(body, options)) {
    while (length + chunk.length >= blockSize) {
      block ??= filled(memory.take(blockSize), first.splice(0))
      const fits = chunk.subarray(0, blockSize - length)
      block.set(fits, length)
      yield block
      chunk = chunk.subarray(fits.length)
      block = undefined
      length = 0
      isLarge = true
    }
    if (chunk.length === 0) continue
    if (isLarge) {
      block ??= memory.take(blockSize)
      block.set(chunk, length)
    } else first.push(chunk)
    length += chunk.length
  }
  if (length > 0) yield block?.subarray(0, length) ?? Buffer.concat(first, length)
}

/** What is in memory anyway is sent from there. */
async function* slicesOf(
  body: Uint8Array,
  blockSize: number,
  options: BodyOptions,
): AsyncGenerator<Buffer, undefined> {
  for await (const { buffer, byteOffset, length } of readBody(body, options)) {
    for (let start = 0; start < length; start += blockSize)
      yield Buffer.from(buffer, byteOffset + start, Math.min(blockSize, length - start))
  }
}

function filled(block: Buffer, chunks: Uint8Array[]): Buffer {
  let length = 0
  for (const chunk of chunks) {
    block.set(chunk, length)
    length += chunk.length
  }
  return block
}
