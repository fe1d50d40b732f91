import { type BodyOptions, readBody } from '../../core/body.js'
import type { PutBody } from '../../core/driver.js'

/** A part of a body, in the chunks that it came in. */
export interface Piece {
  readonly chunks: Uint8Array[]
  readonly size: number
  /** Whether the body ends with it. Then its length is known to be as promised. */
  readonly isLast: boolean
}

/**
 * Cuts a body into pieces of exactly `pieceSize` bytes, the last one as long as the rest. There is always a last
 * piece, and it comes when the body has ended well: who stores nothing before it stores no half file.
 *
 * @throws as {@link readBody} does
 */
export async function* cutBody(
  body: PutBody,
  pieceSize: number,
  options: BodyOptions,
): AsyncGenerator<Piece> {
  let chunks: Uint8Array[] = []
  let size = 0
  for await (let chunk of readBody(body, options)) {
    while (size + chunk.length > pieceSize) {
      const fits = chunk.subarray(0, pieceSize - size)
      yield { chunks: [...chunks, fits], size: pieceSize, isLast: false }
      chunks = []
      size = 0
      chunk = chunk.subarray(fits.length)
    }
    chunks.push(chunk)
    size += chunk.length
  }
  yield { chunks, size, isLast: true }
}
