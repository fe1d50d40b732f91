import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { bytesOf } from '../../src/core/block.js'
import { BlockMemory } from '../../src/core/block-memory.js'
import { type BlockOptions, blocksOf } from '../../src/core/body-blocks.js'
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
})
