import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { LineReader, writeLines } from './line-file.js'
import { LinePile } from './line-pile.js'

/** Files that are read side by side. */
const FAN_IN = 64

/**
 * Sorts any number of lines in little memory: what does not fit is sorted in parts, which lie in a temporary folder
 * and are merged when they are read. Lines are bytes as text (see {@link toBytes}) without line breaks.
 */
export class LineSorter {
  #folder: string | undefined
  #files = 0
  #count = 0
  readonly #pile = new LinePile()
  /** Each level holds files that are FAN_IN times as long as those below. */
  readonly #levels: string[][] = []

  get count(): number {
    return this.#count
  }

  async add(line: string): Promise<void> {
    this.#count++
    if (this.#pile.add(line)) return
    await this.#spill()
    this.#pile.add(line)
  }

  /** All lines in order. May be read several times; nothing can be added any more. */
  async *sorted(): AsyncGenerator<string> {
    if (this.#levels.length === 0) {
      for (const line of this.#pile.sorted()) yield textOf(line)
      return
    }
    if (!this.#pile.isEmpty) await this.#spill()
    this.#pile.drop()
    yield* mergeSorted(this.#levels.flat())
  }

  /** Drops what lies on the disk. */
  async close(): Promise<void> {
    this.#pile.drop()
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true })
  }

  async #spill(): Promise<void> {
    await this.#keep(0, this.#pile.sorted())
    this.#pile.clear()
  }

  async #keep(level: number, lines: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void> {
    this.#folder ??= await mkdtemp(path.join(tmpdir(), 'tenant-files-sort-'))
    const file = path.join(this.#folder, String(this.#files++))
    await writeLines(file, lines)
    this.#levels[level] ??= []
    const files = this.#levels[level]
    files.push(file)
    if (files.length < FAN_IN) return
    this.#levels[level] = []
    await this.#keep(level + 1, linesAsBytes(files))
    for (const merged of files) await rm(merged)
  }
}

function textOf(line: Buffer): string {
  return line.toString('latin1', 0, line.length - 1)
}

async function* linesAsBytes(files: readonly string[]): AsyncGenerator<Buffer> {
  for await (const line of mergeSorted(files)) yield Buffer.from(`${line}\n`, 'latin1')
}

interface Run {
  readonly line: string
  readonly reader: LineReader
}

async function* mergeSorted(files: readonly string[]): AsyncGenerator<string> {
  const readers = files.map(file => new LineReader(file))
  // The last one has the first line.
  const runs: Run[] = []
  try {
    for (const reader of readers) await insertNext(runs, reader)
    for (let first = runs.pop(); first !== undefined; first = runs.pop()) {
      yield first.line
      await insertNext(runs, first.reader)
    }
  } finally {
    for (const reader of readers) await reader.close()
  }
}

async function insertNext(runs: Run[], reader: LineReader): Promise<void> {
  const line = await reader.next()
  if (line === undefined) return
  let low = 0
  let high = runs.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((runs[middle]?.line ?? '') > line) low = middle + 1
    else high = middle
  }
  runs.splice(low, 0, { line, reader })
}
