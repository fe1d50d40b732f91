import { randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesOf } from '../../src/core/block.js'
import { BlockMemory } from '../../src/core/block-memory.js'
import { type BlockOptions, blocksOf } from '../../src/core/body-blocks.js'
import { FillingBody } from '../../src/core/filling-body.js'
import { UploadMemory } from '../../src/core/upload-memory.js'

const MIB = 1024 * 1024

/** Fills from memory; where it is told so, it ends or fails before all of its bytes came. */
class BytesBody extends FillingBody {
  fills = 0
  readonly #bytes: Buffer
  #position = 0
  readonly #breaksAt: number
  readonly #how: 'ends' | 'fails'

  constructor(bytes: Buffer, breaksAt = Number.POSITIVE_INFINITY, how: 'ends' | 'fails' = 'ends') {
    super()
    this.#bytes = bytes
    this.#breaksAt = breaksAt
    this.#how = how
  }

  get left(): number {
    return this.#bytes.length - this.#position
  }

  async fill(into: Uint8Array): Promise<number> {
    this.fills++
    await new Promise(resolve => setImmediate(resolve))
    if (this.#position >= this.#breaksAt && this.#how === 'fails') throw new Error('the disk is gone')
    const end = Math.min(this.#position + into.length, this.#breaksAt, this.#bytes.length)
    into.set(this.#bytes.subarray(this.#position, end))
    const length = end - this.#position
    this.#position = end
    return length
  }
}

async function put(body: FillingBody, blockSize: number, options: Partial<BlockOptions> = {}) {
  const memory = new BlockMemory(new UploadMemory(), blockSize)
  const blocks: { bytes: Buffer; isLast: boolean; crc32: number | undefined }[] = []
  for await (const block of blocksOf(body, { memory, checksum: 'crc32', ...options })) {
    blocks.push({ bytes: Buffer.from(bytesOf(block)), isLast: block.isLast, crc32: block.crc32 })
    memory.giveBack(block)
  }
  memory.end()
  return blocks
}

describe('a body that fills the blocks itself', () => {
  it('is the same bytes, whatever its size and theirs', async () => {
    const sizes = fc.tuple(fc.integer({ min: 0, max: 3 * MIB }), fc.integer({ min: 300_000, max: 1_500_000 }))
    await fc.assert(
      fc.asyncProperty(sizes, async ([size, blockSize]) => {
        const bytes = randomBytes(size)
        const body = new BytesBody(bytes)
        const blocks = await put(body, blockSize, { size })
        expect(Buffer.concat(blocks.map(block => block.bytes)).equals(bytes)).toBe(true)
        expect(blocks.map(({ isLast }) => isLast)).toEqual(blocks.map((_, i) => i === blocks.length - 1))
        expect(blocks.map(block => block.crc32)).toEqual(blocks.map(block => crc32(block.bytes)))
        expect(blocks.slice(0, -1).every(block => block.bytes.length === blockSize)).toBe(true)
        expect(body.destroyed).toBe(true)
      }),
      { numRuns: 30, examples: [[[MIB, MIB]], [[2 * MIB, MIB]], [[0, MIB]], [[256 * 1024, MIB]]] },
    )
  })

  it('comes as one block of two, where it is no longer', async () => {
    const bytes = randomBytes(2 * MIB)
    const blocks = await put(new BytesBody(bytes), MIB, { atMost: 2 * MIB })
    expect(blocks.map(block => block.bytes.equals(bytes))).toEqual([true])
  })

  it.each(['ends', 'fails'] as const)('is no shorter file where it %s early', async how => {
    for (const at of [0, 10, 700_000, MIB, 1_500_000]) {
      const body = new BytesBody(randomBytes(2 * MIB), at, how)
      await expect(put(body, MIB)).rejects.toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
      expect(body.destroyed).toBe(true)
    }
  })

  it('is refused where it is not as long as promised, and nothing of it is read', async () => {
    const body = new BytesBody(randomBytes(MIB))
    await expect(put(body, MIB, { size: MIB + 1 })).rejects.toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
    expect([body.fills, body.destroyed]).toEqual([0, true])
  })

  it('is read no further once somebody aborts', async () => {
    const abort = new AbortController()
    const body = new BytesBody(randomBytes(8 * MIB))
    const work = put(body, MIB, { signal: abort.signal })
    body.fill = async into => {
      if (body.fills === 2) abort.abort()
      return BytesBody.prototype.fill.call(body, into)
    }
    await expect(work).rejects.toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
    expect(body.destroyed).toBe(true)
    expect(body.fills).toBe(3)
  })

  it('is a stream as any other for everybody else', async () => {
    const bytes = randomBytes(1_000_000)
    expect((await buffer(new BytesBody(bytes))).equals(bytes)).toBe(true)
    await expect(buffer(new BytesBody(bytes, 500_000, 'fails'))).rejects.toThrow('the disk is gone')
  })

  it('loses nothing of what somebody has looked at', async () => {
    const body = new BytesBody(randomBytes(2 * MIB))
    const first = await new Promise<Buffer>(resolve =>
      body.once('readable', () => resolve(body.read(10) as Buffer)),
    )
    body.unshift(first)
    const blocks = await put(body, MIB, { size: 2 * MIB })
    expect(blocks.reduce((sum, block) => sum + block.bytes.length, 0)).toBe(2 * MIB)
  })

  it('comes whole where somebody else listens to it, as one that shows progress does', async () => {
    const bytes = randomBytes(3 * MIB)
    for (const when of ['before', 'meanwhile']) {
      const body = new BytesBody(bytes)
      let seen = 0
      const listen = () =>
        body.on('data', chunk => {
          seen += chunk.length
        })
      if (when === 'before') listen()
      const work = put(body, MIB, { size: bytes.length })
      if (when === 'meanwhile') listen()
      const blocks = await work
      expect(Buffer.concat(blocks.map(block => block.bytes)).equals(bytes)).toBe(true)
      if (when === 'before') expect(seen).toBe(bytes.length)
    }
  })

  it('is refused where somebody has begun to fill it', async () => {
    const body = new BytesBody(randomBytes(2 * MIB))
    const work = put(body, MIB)
    await body.fill(Buffer.alloc(1000))
    await expect(work).rejects.toMatchObject({ code: 'ERR_UPLOAD_ABORTED' })
  })
})
