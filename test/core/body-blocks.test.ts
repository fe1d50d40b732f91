import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { type Block, bytesOf } from '../../src/core/block.js'
import { BlockMemory } from '../../src/core/block-memory.js'
import { type BlockOptions, blocksOf, wholeBlockOf } from '../../src/core/body-blocks.js'
import { UploadMemory } from '../../src/core/upload-memory.js'

const BLOCK = 100
const memoryOf = () => new BlockMemory(new UploadMemory(), BLOCK)

interface Seen {
  bytes: Buffer
  isLast: boolean
  crc32: number | undefined
}

/** What comes out, copied at once, as blocks are given back to be filled again. */
async function cut(
  body: Uint8Array | Readable,
  memory = memoryOf(),
  checksum?: BlockOptions['checksum'],
): Promise<Seen[]> {
  const blocks: Seen[] = []
  for await (const block of blocksOf(body, { memory, checksum })) {
    blocks.push({ bytes: Buffer.from(bytesOf(block)), isLast: block.isLast, crc32: block.crc32 })
    memory.giveBack(block)
  }
  return blocks
}

const inChunks = (bytes: Buffer, size: number): Readable =>
  Readable.from(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_each, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    ),
    { objectMode: false },
  )

describe('a body in blocks', () => {
  it.each([0, 1, 99, 100, 101, 200, 350])('is the same %i bytes, however they come', async size => {
    const bytes = randomBytes(size)
    const lengths = Array.from({ length: Math.ceil(size / BLOCK) || 1 }, (_each, index) =>
      Math.min(BLOCK, size - index * BLOCK),
    )
    for (const body of [bytes, ...[1, 30, 100, 250, 400].map(chunk => inChunks(bytes, chunk))]) {
      const blocks = await cut(body)
      expect(blocks.map(block => block.bytes.length)).toEqual(lengths)
      expect(blocks.map(({ isLast }) => isLast)).toEqual(lengths.map((_each, i) => i === lengths.length - 1))
      expect(Buffer.concat(blocks.map(block => block.bytes)).equals(bytes)).toBe(true)
    }
  })

  it('has the CRC-32 of each of them, where it is asked for', async () => {
    const bytes = randomBytes(250)
    for (const body of [bytes, inChunks(bytes, 30), inChunks(bytes, 400)]) {
      for (const block of await cut(body, memoryOf(), 'crc32')) expect(block.crc32).toBe(crc32(block.bytes))
    }
    expect((await cut(bytes)).map(block => block.crc32)).toEqual([undefined, undefined, undefined])
  })

  it('that is large takes no more memory than there are blocks in use at once', async () => {
    const memory = memoryOf()
    const seen = new Set<ArrayBufferLike>()
    const used = []
    for await (const block of blocksOf(inChunks(randomBytes(5_000), 30), { memory })) {
      seen.add(bytesOf(block).buffer)
      used.push(block)
      if (used.length === 3) memory.giveBack(used.shift()!)
    }
    expect(seen.size).toBe(3)
  })

  it('that fits into one block is not copied', async () => {
    const bytes = randomBytes(90)
    for await (const block of blocksOf(inChunks(bytes, 30), { memory: memoryOf() })) {
      expect(block.chunks.map(chunk => chunk.buffer)).toEqual([bytes.buffer, bytes.buffer, bytes.buffer])
    }
  })

  it('that grows beyond a megabyte is copied early, not when a whole block is there', async () => {
    const memory = new BlockMemory(new UploadMemory(), 8 * 1024 * 1024)
    const bytes = randomBytes(2 * 1024 * 1024)
    const block = (await blocksOf(inChunks(bytes, 65_536), { memory }).next()).value
    expect(block?.chunks).toHaveLength(1)
    expect(block?.chunks[0]?.buffer).not.toBe(bytes.buffer)
    expect(bytesOf(block!).equals(bytes)).toBe(true)
  })

  it('that is in memory is sent from there, and that memory is never written to', async () => {
    const bytes = randomBytes(250)
    const memory = memoryOf()
    for await (const block of blocksOf(bytes, { memory })) {
      expect(bytesOf(block).buffer).toBe(bytes.buffer)
      memory.giveBack(block)
    }
    expect((await memory.take()).buffer).not.toBe(bytes.buffer)
  })

  it.each([101, 199, 200])('of %i bytes that has at most two blocks comes as one', async size => {
    const bytes = randomBytes(size)
    for (const chunk of [1, 30, 100, 400]) {
      const memory = memoryOf()
      const options = { memory, atMost: 2 * BLOCK, checksum: 'crc32' } as const
      const blocks: Block[] = []
      for await (const block of blocksOf(inChunks(bytes, chunk), options)) blocks.push(block)
      expect(blocks).toMatchObject([{ length: size, isLast: true, crc32: crc32(bytes) }])
      expect(bytesOf(blocks[0]!).equals(bytes)).toBe(true)
      memory.giveBack(blocks[0]!)
      const [one, two] = [memory.tryTake(), memory.tryTake()]
      expect(new Set(blocks[0]!.chunks.map(({ buffer }) => buffer))).toEqual(
        new Set([one?.buffer, two?.buffer]),
      )
      memory.end()
    }
  })

  it('that may be larger than two blocks, or is larger than was said, comes in several', async () => {
    const bytes = randomBytes(450)
    for (const atMost of [undefined, 450, 200]) {
      const memory = memoryOf()
      const parts: Buffer[] = []
      for await (const block of blocksOf(inChunks(bytes, 30), { memory, atMost })) {
        parts.push(Buffer.from(bytesOf(block)))
        memory.giveBack(block)
      }
      expect(parts.map(part => part.length)).toEqual(
        atMost === 200 ? [200, 200, 50] : [100, 100, 100, 100, 50],
      )
      expect(Buffer.concat(parts).equals(bytes)).toBe(true)
    }
  })

  it('waits for no second block while it holds the first', async () => {
    const memory = new BlockMemory(new UploadMemory(BLOCK), BLOCK)
    const blocks = blocksOf(inChunks(randomBytes(150), 30), { memory, atMost: 2 * BLOCK })
    const first = (await blocks.next()).value
    expect(first).toMatchObject({ length: 100, isLast: false })
    memory.giveBack(first!)
    expect((await blocks.next()).value).toMatchObject({ length: 50, isLast: true })
  })
})

describe('a body that is in memory', () => {
  const bytes = randomBytes(90)

  it('is one block of the same memory, in one piece or in several', () => {
    for (const body of [bytes, [bytes.subarray(0, 40), Buffer.alloc(0), bytes.subarray(40)]]) {
      const block = wholeBlockOf(body, BLOCK, { size: 90, checksum: 'crc32' })
      expect(block).toMatchObject({ length: 90, isLast: true, crc32: crc32(bytes) })
      expect(bytesOf(block!).equals(bytes)).toBe(true)
      for (const { buffer } of block!.chunks) expect(buffer).toBe(bytes.buffer)
    }
    expect(wholeBlockOf(Buffer.alloc(0), BLOCK, {})).toEqual({ chunks: [], length: 0, isLast: true })
  })

  it('is cut where it does not fit into one block, as a stream is', () => {
    expect(wholeBlockOf(randomBytes(101), BLOCK, {})).toBeUndefined()
    expect(wholeBlockOf(inChunks(bytes, 30), BLOCK, {})).toBeUndefined()
  })

  it('that is not as long as promised is refused', () => {
    const refusal = { code: 'ERR_UPLOAD_ABORTED', message: expect.stringContaining('91 bytes were promised') }
    expect(() => wholeBlockOf(bytes, BLOCK, { size: 91 })).toThrow(expect.objectContaining(refusal))
  })
})
