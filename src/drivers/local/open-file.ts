import { close, closeSync, createReadStream, open, read } from 'node:fs'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { StorageError } from '../../core/errors.js'

// Plain descriptors instead of FileHandles, and callbacks below: per request they cost less than half of the CPU
// (test/bench/serve.bench.mjs).
export const openFile = promisify(open)
const readFile = promisify(read)

/** A part of this size is read in one step: a stream would cost more than the reading. */
const AT_ONCE = 64 * 1024
/** Larger steps cost less CPU per byte; two of them are in memory for each reader. */
const STEP = 256 * 1024

/** Closes an open file; there is nothing to wait for, and nothing to do where it fails. */
export function closeFile(file: number): void {
  close(file, () => {})
}

/**
 * The bytes of an open file, which is closed at their end, and when the stream is destroyed. What fails before the
 * stream is there leaves the file open. A small part comes as a stream that is filled already.
 *
 * @param start of the first byte; the part holds `length` of them
 */
export async function readOpenFile(
  file: number,
  { start, length }: { start: number; length: number },
  signal: AbortSignal | undefined,
): Promise<Readable> {
  if (length > AT_ONCE) {
    return createReadStream('', { fd: file, start, end: start + length - 1, highWaterMark: STEP, signal })
  }
  const bytes = await readPart(file, start, length)
  closeSync(file) // waits for nothing: what was only read has nothing to write back
  return filled(bytes)
}

async function readPart(file: number, start: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length)
  for (let done = 0; done < length; ) {
    const { bytesRead } = await readFile(file, bytes, done, length - done, start + done)
    if (bytesRead === 0) throw new StorageError('ERR_BACKEND', 'The file became shorter while it was read.')
    done += bytesRead
  }
  return bytes
}

function filled(bytes: Buffer): Readable {
  const body = new Readable({ read: () => {} })
  if (bytes.length > 0) body.push(bytes)
  body.push(null)
  return body
}
