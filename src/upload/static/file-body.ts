import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { throwIfAborted } from '../../core/abort.js'
import { StorageError } from '../../core/errors.js'
import type { FoundFile } from './static-files.js'

/** What a file held when it was looked at. */
export interface FileDigest {
  /** In bytes. */
  readonly size: number
  readonly sha256: string
}

/** @throws ERR_UPLOAD_ABORTED where it cannot be read */
export async function digestOf(file: FoundFile, signal: AbortSignal | undefined): Promise<FileDigest> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of read(file, signal)) {
    hash.update(chunk)
    size += chunk.length
  }
  return { size, sha256: hash.digest('hex') }
}

/**
 * The bytes of a file, once more. The stream fails instead of ending when they are other ones than were looked at, so
 * that no half of two versions is ever stored.
 */
export function bodyOf(file: FoundFile, expected: FileDigest, signal: AbortSignal | undefined): Readable {
  return Readable.from(verified(file, expected, signal), { objectMode: false })
}

async function* verified(file: FoundFile, { size, sha256 }: FileDigest, signal: AbortSignal | undefined) {
  const hash = createHash('sha256')
  let seen = 0
  for await (const chunk of read(file, signal)) {
    hash.update(chunk)
    seen += chunk.length
    if (seen > size) throw changed(file)
    yield chunk
  }
  if (hash.digest('hex') !== sha256) throw changed(file)
}

async function* read(file: FoundFile, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(file.path, { signal })
  } catch (error) {
    throwIfAborted(signal)
    throw changed(file, error)
  }
}

function changed({ name }: FoundFile, cause?: unknown): StorageError {
  const message = `The file ${JSON.stringify(name)} changed, or cannot be read, while it was pushed.`
  return new StorageError('ERR_UPLOAD_ABORTED', message, { operation: 'pushStatic', cause })
}
