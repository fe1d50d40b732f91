/** A part of a body. */
export interface Block {
  /** Its bytes, in the pieces that they lie in. */
  readonly chunks: readonly Uint8Array[]
  readonly length: number
  /** Whether the body ends with it. Then its length is known to be as promised. */
  readonly isLast: boolean
  /** The CRC-32 of ISO 3309, where it was asked for. */
  readonly crc32?: number
}

/** The bytes of a block in one piece, for senders that take no other. */
export function bytesOf({ chunks, length }: Block): Buffer {
  const [first] = chunks
  if (chunks.length !== 1 || first === undefined) return Buffer.concat(chunks, length)
  return Buffer.from(first.buffer, first.byteOffset, first.length)
}
