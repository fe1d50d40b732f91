import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** Lines that are sorted in memory at once; some megabytes. */
const IN_MEMORY = 20_000
/** Files that are read side by side. */
const FAN_IN = 64
const BLOCK = 32 * 1024
/** Lines that are written at once. */
const WRITTEN_AT_ONCE = 500

/**
 * Sorts any number of lines in little memory: what does not fit is sorted in parts, which lie in a temporary folder
 * and are merged when they are read. Lines are bytes as text (see {@link toBytes}) without line breaks.
 */
export class LineSorter {
  #folder: string | undefined
  #lines: string[] = []
  #files = 0
  #count = 0
  /** Each level holds files that are FAN_IN times as long as those below. */
  readonly #levels: string[][] = []

  get count(): number {
    return this.#count
  }

  async add(line: string): Promise<void> {
    this.#lines.push(line)
    this.#count++
    if (this.#lines.length >= IN_MEMORY) await this.#spill()
  }

  /** All lines in order. May be read several times, but nothing can be added meanwhile. */
  async *sorted(): AsyncGenerator<string> {
    this.#lines.sort()
    const files = this.#levels.flat()
    if (files.length === 0) yield* this.#lines
    else yield* mergeSorted([...files.map(readLines), each(this.#lines)])
  }

  /** Drops what lies on the disk. */
  async close(): Promise<void> {
    this.#lines = []
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true })
  }

  async #spill(): Promise<void> {
    const lines = this.#lines.sort()
    this.#lines = []
    await this.#keep(0, each(lines))
  }

  async #keep(level: number, lines: AsyncIterable<string>): Promise<void> {
    this.#folder ??= await mkdtemp(path.join(tmpdir(), 'tenant-files-sort-'))
    const file = path.join(this.#folder, String(this.#files++))
    await writeLines(file, lines)
    this.#levels[level] ??= []
    const files = this.#levels[level]
    files.push(file)
    if (files.length < FAN_IN) return
    this.#levels[level] = []
    await this.#keep(level + 1, mergeSorted(files.map(readLines)))
    for (const merged of files) await rm(merged)
  }
}

async function* each(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines
}

async function writeLines(file: string, lines: AsyncIterable<string>): Promise<void> {
  const handle = await open(file, 'wx', 0o600)
  try {
    let some: string[] = []
    for await (const line of lines) {
      some.push(line)
      if (some.length < WRITTEN_AT_ONCE) continue
      await write(handle, some)
      some = []
    }
    await write(handle, some)
  } finally {
    await handle.close()
  }
}

async function write(handle: FileHandle, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await handle.appendFile(`${lines.join('\n')}\n`, 'latin1')
}

async function* readLines(file: string): AsyncGenerator<string> {
  const handle = await open(file, 'r')
  try {
    const block = Buffer.alloc(BLOCK)
    let rest = ''
    for (;;) {
      const { bytesRead } = await handle.read(block, 0, BLOCK)
      if (bytesRead === 0) return
      const lines = (rest + block.toString('latin1', 0, bytesRead)).split('\n')
      rest = lines.pop() ?? ''
      yield* lines
    }
  } finally {
    await handle.close()
  }
}

interface Run {
  line: string
  readonly rest: AsyncGenerator<string>
}

async function* mergeSorted(sources: readonly AsyncGenerator<string>[]): AsyncGenerator<string> {
  // The last one has the first line.
  const runs: Run[] = []
  try {
    for (const rest of sources) await insertNext(runs, rest)
    for (let first = runs.pop(); first !== undefined; first = runs.pop()) {
      yield first.line
      await insertNext(runs, first.rest)
    }
  } finally {
    for (const source of sources) await source.return(undefined)
  }
}

async function insertNext(runs: Run[], rest: AsyncGenerator<string>): Promise<void> {
  const { done, value: line } = await rest.next()
  if (done) return
  let low = 0
  let high = runs.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((runs[middle]?.line ?? '') > line) low = middle + 1
    else high = middle
  }
  runs.splice(low, 0, { line, rest })
}
