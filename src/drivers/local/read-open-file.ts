import { closeSync } from 'node:fs'
import { Readable } from 'node:stream'
import { throwIfAborted } from '../../core/abort.js'
import { readPart } from './descriptor.js'
import { FileBody } from './file-body.js'

/** A part of this size is read in one step: a stream would cost more than the reading. */
const AT_ONCE = 64 * 1024

/**
 * The bytes of an open file, which is closed at their end, and when the stream is destroyed. What fails before the
 * stream is there leaves the file open. A small part comes as a stream that is filled already.
 *
 * @param start of the first byte; the part holds `length` of them
 * @throws the signal's reason
 */
export async function readOpenFile(
  file: number,
  { start, length }: { start: number; length: number },
  signal: AbortSignal | undefined,
): Promise<Readable> {
  // A stream that begins with an abort fails before anybody can listen to it.
  throwIfAborted(signal)
  if (length > AT_ONCE) return new FileBody(file, { start, length }, signal)
  const bytes = Buffer.allocUnsafe(length)
  await readPart(file, bytes, start)
  closeSync(file) // waits for nothing: what was only read has nothing to write back
  return filled(bytes)
}

function filled(bytes: Buffer): Readable {
  const body = new Readable({ read: () => {} })
  if (bytes.length > 0) body.push(bytes)
  body.push(null)
  return body
}
