import { type BodyOptions, readBody } from '../../core/body.js'
import type { PutBody } from '../../core/driver.js'

/**
 * A body in blocks of `blockSize` bytes, the last one shorter. Rejects as {@link readBody} does, so a body that
 * ends early is never a shorter file.
 */
export async function* blocksOf(
  body: PutBody,
  blockSize: number,
  options: BodyOptions,
): AsyncGenerator<Buffer, undefined> {
  let pieces: Uint8Array[] = []
  let length = 0
  for await (const chunk of readBody(body, options)) {
    let rest = chunk
    while (length + rest.length >= blockSize) {
      const fits = rest.subarray(0, blockSize - length)
      yield joined([...pieces, fits])
      rest = rest.subarray(fits.length)
      pieces = []
      length = 0
    }
    if (rest.length > 0) pieces.push(rest)
    length += rest.length
  }
  if (length > 0) yield joined(pieces)
}

/** The SDK sends a Buffer as it is. */
function joined(pieces: Uint8Array[]): Buffer {
  const [only] = pieces
  if (only === undefined || pieces.length > 1) return Buffer.concat(pieces)
  return Buffer.from(only.buffer, only.byteOffset, only.length)
}
