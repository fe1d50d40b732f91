import { type FileHandle, open } from 'node:fs/promises'

const BLOCK = 32 * 1024
const LINE_BREAK = 0x0a

/** Writes lines, each with its line break, to a new file. */
export async function writeLines(
  file: string,
  lines: Iterable<Buffer> | AsyncIterable<Buffer>,
): Promise<void> {
  const handle = await open(file, 'wx', 0o600)
  try {
    const block = Buffer.allocUnsafe(BLOCK)
    let filled = 0
    for await (const line of lines) {
      if (filled + line.length > BLOCK) {
        await writeAll(handle, block.subarray(0, filled))
        filled = 0
      }
      if (line.length > BLOCK) await writeAll(handle, line)
      else filled += line.copy(block, filled)
    }
    await writeAll(handle, block.subarray(0, filled))
  } finally {
    await handle.close()
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer): Promise<void> {
  if (bytes.length > 0) await handle.appendFile(bytes)
}

/** Reads the lines of a file one after the other; only one block of it is in memory. */
export class LineReader {
  readonly #file: string
  #handle: FileHandle | undefined
  #block = Buffer.alloc(0)

  constructor(file: string) {
    this.#file = file
  }

  /** The next line without its line break, in memory of its own; undefined at the end. */
  async next(): Promise<string | undefined> {
    for (;;) {
      const end = this.#block.indexOf(LINE_BREAK)
      if (end >= 0) {
        const line = this.#block.toString('latin1', 0, end)
        this.#block = this.#block.subarray(end + 1)
        return line
      }
      if (!(await this.#readOn())) return undefined
    }
  }

  async close(): Promise<void> {
    await this.#handle?.close()
    this.#handle = undefined
  }

  async #readOn(): Promise<boolean> {
    this.#handle ??= await open(this.#file, 'r')
    const block = Buffer.allocUnsafe(this.#block.length + BLOCK)
    this.#block.copy(block)
    const { bytesRead } = await this.#handle.read(block, this.#block.length, BLOCK)
    this.#block = block.subarray(0, this.#block.length + bytesRead)
    return bytesRead > 0
  }
}
