/** Some megabytes. */
const BYTES = 3 * 1024 * 1024
const MAX_LINES = 32_768
const LINE_BREAK = 0x0a
const NOTHING = Buffer.alloc(0)

/**
 * Lines that wait to be sorted, as bytes outside of the heap: as text they would live just long enough to make the
 * garbage collector let the heap grow.
 */
export class LinePile {
  #bytes = NOTHING
  #starts = new Uint32Array(1)
  #count = 0

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** @returns false where it is full; what is longer than all of it makes it larger */
  add(line: string): boolean {
    const start = this.#start(this.#count)
    const end = start + line.length + 1
    if (this.isEmpty) this.#makeRoom(end)
    if (end > this.#bytes.length || this.#count === MAX_LINES) return false
    this.#bytes.write(line, start, 'latin1')
    this.#bytes[end - 1] = LINE_BREAK
    this.#starts[++this.#count] = end
    return true
  }

  clear(): void {
    this.#count = 0
  }

  /** Gives the memory back. */
  drop(): void {
    this.clear()
    this.#bytes = NOTHING
  }

  #makeRoom(length: number): void {
    if (this.#bytes.length < Math.max(length, BYTES))
      this.#bytes = Buffer.allocUnsafe(Math.max(length, BYTES))
    if (this.#starts.length <= MAX_LINES) this.#starts = new Uint32Array(MAX_LINES + 1)
  }

  /** All lines in order, each with its line break; valid until the next line is added. */
  *sorted(): Generator<Buffer> {
    const order = new Uint32Array(this.#count)
    for (let line = 0; line < order.length; line++) order[line] = line
    order.sort((a, b) =>
      this.#bytes.compare(this.#bytes, this.#start(b), this.#end(b), this.#start(a), this.#end(a)),
    )
    for (const line of order) yield this.#bytes.subarray(this.#start(line), this.#start(line + 1))
  }

  #start(line: number): number {
    return this.#starts[line] ?? 0
  }

  /** Without its line break, which must not take part in a comparison. */
  #end(line: number): number {
    return this.#start(line + 1) - 1
  }
}
