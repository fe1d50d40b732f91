import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { Disk } from '../core/disk.js'
import type { FileAddress, StoredFile } from '../core/stored-file.js'
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
        await this.#context.rate.take(chunk.length, this.#context.signal)
        this.#add(chunk)
        yield chunk
      }
    }
    return Readable.from(pass.call(this), { objectMode: false })
  }

  async drain(source: Readable): Promise<void> {
    for await (const chunk of source) this.#add(chunk)
  }

  facts(): Facts {
    const { verify } = this.#context
    return { size: this.#size, sha256: verify === 'size' ? null : this.#hash.digest('hex') }
  }

  #add(bytes: Buffer): void {
    this.#size += bytes.length
    if (this.#context.verify !== 'size') this.#hash.update(bytes)
  }
}

/** Reads what lies at a place to its end. */
export async function factsAt(disk: Disk, address: FileAddress, context: ReadContext): Promise<Facts> {
  const { body } = await disk.get(address, { signal: context.signal })
  // Two objects are compared by their bytes, however little is asked of a copy.
  const tap = new Tap({ ...context, verify: 'sha256' })
  await tap.drain(body)
  return tap.facts()
}

/** Whether the row tells of the bytes; the path of an old column does not. */
export function knows({ sha256, size }: StoredFile): boolean {
  return sha256 !== null || size > 0
}

/** What of the bytes is not as the row tells; where the file is kept encoded, its bytes are others. */
export function differenceOf(file: StoredFile, { size, sha256 }: Facts): string | undefined {
  const expected = file.storedSize ?? file.size
  const isEncoded = file.encoding !== undefined
  if (size !== expected && (!isEncoded || file.storedSize !== undefined))
    return `${size} bytes lie there instead of ${expected}`
  if (sha256 !== null && file.sha256 !== null && !isEncoded && sha256 !== file.sha256)
    return 'their checksum differs'
  return undefined
}
