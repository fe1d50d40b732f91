/** Some megabytes. */
const BYTES = 3 * 1024 * 1024
const MAX_LINES = 32_768
const LINE_BREAK = 0x0a

/**
 * Lines that wait to be sorted, as bytes outside of the heap: as text they would live just long enough to make the
 * garbage collector let the heap grow.
 */
export class LinePile {
  #bytes = Buffer.allocUnsafe(BYTES)
  readonly #starts = new Uint32Array(MAX_LINES + 1)
  #count = 0

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** @returns false where it is full; what is longer than all of it makes it larger */
  add(line: string): boolean {
    const start = this.#starts[this.#count] ?? 0
    const end = start + line.length + 1
    if (this.#count === MAX_LINES) return false
    if (end > this.#bytes.length) {
      if (!this.isEmpty) return false
      this.#bytes = Buffer.allocUnsafe(end)
    }
    this.#bytes.write(line, start, 'latin1')
    this.#bytes[end - 1] = LINE_BREAK
    this.#starts[++this.#count] = end
    return true
  }

  clear(): void {
    this.#count = 0
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
