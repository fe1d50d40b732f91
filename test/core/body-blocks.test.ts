import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { BlockMemory, blocksOf } from '../../src/core/body-blocks.js'

const BLOCK = 100

/** What comes out, copied at once, as blocks are given back to be filled again. */
async function cut(body: Uint8Array | Readable, memory = new BlockMemory()): Promise<Buffer[]> {
  const blocks: Buffer[] = []
  for await (const block of blocksOf(body, BLOCK, { memory })) {
    blocks.push(Buffer.from(block))
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
    const lengths = Array.from({ length: Math.ceil(size / BLOCK) }, (_each, index) =>
      Math.min(BLOCK, size - index * BLOCK),
    )
    for (const body of [bytes, ...[1, 30, 100, 250, 400].map(chunk => inChunks(bytes, chunk))]) {
      const blocks = await cut(body)
      expect(blocks.map(({ length }) => length)).toEqual(lengths)
      expect(Buffer.concat(blocks).equals(bytes)).toBe(true)
    }
  })

  it('that is large takes no more memory than there are blocks in use at once', async () => {
    const memory = new BlockMemory()
    const seen = new Set<ArrayBufferLike>()
    const used: Buffer[] = []
    for await (const block of blocksOf(inChunks(randomBytes(5_000), 30), BLOCK, { memory })) {
      seen.add(block.buffer)
      used.push(block)
      if (used.length === 3) memory.giveBack(used.shift()!)
    }
    expect(seen.size).toBe(3)
  })

  it('that is in memory is sent from there, and that memory is never written to', async () => {
    const bytes = randomBytes(250)
    const memory = new BlockMemory()
    for await (const block of blocksOf(bytes, BLOCK, { memory })) {
      expect(block.buffer).toBe(bytes.buffer)
      memory.giveBack(block)
    }
    expect(memory.take(BLOCK).buffer).not.toBe(bytes.buffer)
  })
})
