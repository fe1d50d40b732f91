import { Readable } from 'node:stream'

/** Bytes of a piece, where somebody wants pieces. Larger steps cost less CPU per byte; two are in memory for each reader. */
const PIECE = 256 * 1024

/**
 * A body of known length that lays its bytes into memory which it is given. Whoever does not know of it reads it as any
 * other stream, in pieces; each of those is memory outside of the heap of which only the garbage collector gets rid.
 */
export abstract class FillingBody extends Readable {
  #isRead = false
  #hasNoPieces = false

  /** Bytes that are still to come. */
  abstract readonly left: number

  /**
   * Whether somebody reads it in pieces, or is about to: of what waits in the stream, {@link fill} knows nothing, and of
   * what was filled, a listener would hear nothing.
   */
  get isRead(): boolean {
    return this.#isRead || this.readableFlowing !== null
  }

  constructor() {
    super({ highWaterMark: PIECE })
  }

  /** From here on all bytes go into memory that is given, and nobody gets pieces any more. */
  endPieces(): void {
    this.#hasNoPieces = true
  }

  /**
   * The next bytes, from the beginning of `into`. Nobody may look at the memory before this is done.
   *
   * @returns how many came; 0 at the end alone
   */
  abstract fill(into: Uint8Array): Promise<number>

  override _read(): void {
    if (this.#hasNoPieces) return // two readers of one place would each get the bytes of the other
    this.#isRead = true
    const piece = Buffer.allocUnsafeSlow(Math.min(PIECE, this.left))
    this.fill(piece).then(
      length => this.push(length === 0 ? null : piece.subarray(0, length)),
      error => this.destroy(error),
    )
  }
}
