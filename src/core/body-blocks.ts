import { crc32 } from 'node:zlib'
import type { Block } from './block.js'
import type { BlockMemory } from './block-memory.js'
import {
  assertLength,
  type BodyOptions,
  isInMemory,
  piecesOf,
  readBody,
  toBytes,
  whileTaken,
} from './body.js'
import type { PutBody } from './driver.js'
import { StorageError } from './errors.js'
import { FillingBody } from './filling-body.js'

/** What {@link blocksOf} must know. */
export interface BlockOptions extends BodyOptions {
  memory: BlockMemory
  checksum?: 'crc32'
  /** More bytes than these will not come. A body of at most two blocks comes as one then, where memory is free. */
  atMost?: number
}

/** What an upload may hold without asking for memory: most files are smaller, and need no budget. */
const FREE = 256 * 1024

/**
 * What stays in the chunks that it came in. More of them would be kept over collections of V8's young generation, and
 * then only a collection of the whole heap frees them: for files of 10 MiB those took a third of the CPU time.
 */
const UNCOPIED = 1024 * 1024

/** Bytes that fill a block at a time: as many as stay in the processor's cache until they are hashed. */
const STEP = 512 * 1024

/**
 * A body in blocks of `memory.blockSize` bytes, the last one shorter. There is always a last block, and it comes when
 * the body has ended well: who stores nothing before it stores no half file. Rejects as {@link readBody} does, so a
 * body that ends early is never a shorter file.
 *
 * A small body stays in the chunks it came in. A longer one is copied into memory that is used again, so give blocks
 * back; a second block is only begun when the first one was given out.
 */
export async function* blocksOf(body: PutBody, options: BlockOptions): AsyncGenerator<Block, undefined> {
  if (body instanceof Uint8Array) return yield* slicesOf(body, options)
  const fills = body instanceof FillingBody && !body.isRead && body.left > FREE
  const blocks = () => (fills ? filledBlocksOf(body, options) : copiedBlocksOf(body, options))
  // The last one is given out when the body is let go of: nobody may ask for another one.
  yield yield* whileTaken(body, options.signal, blocks)
  return undefined
}

/** The blocks of a body that comes piece by piece; returns the last one. */
async function* copiedBlocksOf(body: PutBody, options: BlockOptions): AsyncGenerator<Block, Block> {
  const { memory, checksum, size, atMost = Number.POSITIVE_INFINITY } = options
  const mayGrow = atMost <= 2 * memory.blockSize
  let draft = new Draft(checksum)
  let seen = 0
  // The pieces themselves, and not what another generator makes of them: that takes three promises for each.
  for await (const piece of piecesOf(body)) {
    let chunk = toBytes(piece)
    seen += chunk.length
    while (draft.length + chunk.length > draft.capacity(memory.blockSize)) {
      if (!draft.isInMemory) draft.moveTo(await memory.take())
      const fits = chunk.subarray(0, draft.capacity(memory.blockSize) - draft.length)
      draft.add(fits)
      chunk = chunk.subarray(fits.length)
      const second = mayGrow && draft.length === memory.blockSize ? memory.tryTake() : undefined
      if (second !== undefined) {
        draft.extendBy(second)
        continue
      }
      yield draft.close('more follows')
      draft = new Draft(checksum)
      draft.moveTo(await memory.take())
    }
    if (chunk.length > 0) draft.add(chunk)
    if (draft.isInMemory) continue
    if (draft.length > FREE) await memory.reserveOne()
    if (draft.length > UNCOPIED) draft.moveTo(await memory.take())
  }
  assertLength(seen, size)
  return draft.close('last')
}

/**
 * A body that is in memory, as its only block, without copies and generators; undefined where it comes piece by piece
 * or does not fit into `blockSize` bytes.
 *
 * @throws ERR_UPLOAD_ABORTED where it is not as long as promised
 */
export function wholeBlockOf(
  body: PutBody,
  blockSize: number,
  { size, checksum }: Pick<BlockOptions, 'size' | 'checksum'>,
): Block | undefined {
  if (!isInMemory(body)) return undefined
  const chunks = body instanceof Uint8Array ? [body] : body
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  if (length > blockSize) return undefined
  assertLength(length, size)
  const draft = new Draft(checksum)
  for (const chunk of chunks) if (chunk.length > 0) draft.add(chunk)
  return draft.close('last')
}

/** The blocks of a body that fills them itself; returns the last one. */
async function* filledBlocksOf(body: FillingBody, options: BlockOptions): AsyncGenerator<Block, Block> {
  const { memory, checksum, size, atMost = Number.POSITIVE_INFINITY } = options
  const length = body.left
  const mayGrow = Math.min(length, atMost) <= 2 * memory.blockSize
  body.endPieces()
  assertLength(length, size)
  for (let done = 0; ; ) {
    const draft = new Draft(checksum)
    draft.moveTo(await memory.take())
    while (body.left > 0) {
      const room = draft.room(Math.min(STEP, body.left))
      if (room.length > 0) draft.grow(await filled(body, room))
      else {
        const second = mayGrow ? memory.tryTake() : undefined
        if (second === undefined) break
        draft.extendBy(second)
      }
    }
    done += draft.length
    if (body.left === 0) {
      assertLength(done, length)
      return draft.close('last')
    }
    yield draft.close('more follows')
  }
}

async function filled(body: FillingBody, room: Uint8Array): Promise<number> {
  const { left, destroyed } = body
  const length = destroyed ? 0 : await body.fill(room)
  if (length === 0)
    throw body.errored ?? new StorageError('ERR_UPLOAD_ABORTED', `The body ended ${left} bytes early.`)
  return length
}

/** What is in memory anyway is sent from there. */
async function* slicesOf(body: Uint8Array, options: BlockOptions): AsyncGenerator<Block, undefined> {
  const { blockSize } = options.memory
  for await (const bytes of readBody(body, options)) {
    for (let start = 0; start < bytes.length; start += blockSize) {
      const draft = new Draft(options.checksum)
      draft.add(bytes.subarray(start, start + blockSize))
      yield draft.close(start + blockSize < bytes.length ? 'more follows' : 'last')
    }
  }
  if (body.length === 0) yield new Draft(options.checksum).close('last')
  return undefined
}

const NO_ROOM = new Uint8Array()

/** A block that is being filled: in the chunks that came, or copied into memory of one or two blocks. */
class Draft {
  length = 0
  #chunks: Uint8Array[] = []
  readonly #full: Buffer[] = []
  #block: Buffer | undefined
  #filled = 0
  #crc32: number | undefined

  constructor(checksum: BlockOptions['checksum']) {
    if (checksum === 'crc32') this.#crc32 = 0
  }

  get isInMemory(): boolean {
    return this.#block !== undefined
  }

  /** How many bytes it can hold. */
  capacity(blockSize: number): number {
    return blockSize * (this.#full.length + 1)
  }

  add(chunk: Uint8Array): void {
    this.#count(chunk)
    this.#lay(chunk)
  }

  /** Memory for so many of the next bytes, or for as many as there is room. It must be in memory. */
  room(length: number): Uint8Array {
    return this.#block?.subarray(this.#filled, this.#filled + length) ?? NO_ROOM
  }

  /** So many bytes were laid into the memory of {@link room}. */
  grow(length: number): void {
    this.#count(this.room(length))
    this.#filled += length
  }

  moveTo(block: Buffer): void {
    this.#block = block
    for (const chunk of this.#chunks.splice(0)) this.#lay(chunk)
  }

  /** Goes on in a further block; the one before must be full. */
  extendBy(block: Buffer): void {
    if (this.#block !== undefined) this.#full.push(this.#block)
    this.#block = block
    this.#filled = 0
  }

  close(position: 'more follows' | 'last'): Block {
    const chunks =
      this.#block === undefined ? this.#chunks : [...this.#full, this.#block.subarray(0, this.#filled)]
    return { chunks, length: this.length, isLast: position === 'last', crc32: this.#crc32 }
  }

  #count(bytes: Uint8Array): void {
    // Here and not later: the bytes have just come and lie in the processor's cache.
    if (this.#crc32 !== undefined) this.#crc32 = crc32(bytes, this.#crc32)
    this.length += bytes.length
  }

  #lay(chunk: Uint8Array): void {
    if (this.#block === undefined) {
      this.#chunks.push(chunk)
      return
    }
    const end = this.#filled + chunk.length
    // In the memory that layOut() gives, `set` copies byte by byte where the two do not lie alike: five times the time.
    if (chunk.length > 0) this.#block.fill(chunk, this.#filled, end)
    this.#filled = end
  }
}
