import { createHash } from 'node:crypto'
import { StorageError } from '../core/errors.js'
import type { ResolvedRules } from '../core/rules.js'
import type { StoredFile, StoredFileData } from '../core/stored-file.js'
import { SNIFF_BYTES, sniffType } from '../upload/sniff.js'
import { type Passenger, stays } from './copied-cell.js'
import { moveBytes } from './move-bytes.js'
import type { MoveContext } from './move-context.js'

/**
 * Finds out what a row is to say of an old file: from its bytes, which stay where they are. Where they belong to another row,
 * this one gets a copy.
 *
 * @throws ERR_FILE_NOT_FOUND, ERR_FILE_EMPTY where the column's rules refuse that, ERR_FILE_CHANGED for a file that is
 *   written while it is read, and the backend's errors
 */
export async function adoptBytes(
  passenger: Passenger,
  rules: ResolvedRules,
  context: MoveContext,
): Promise<StoredFileData> {
  const { file, target } = passenger
  const data = stays(passenger) ? await readInPlace(file, context) : await moveBytes(file, target, context)
  if (data.size === 0 && rules.empty === 'refuse') throw empty()
  return data
}

/** Why an empty file is not adopted. */
export function empty(): StorageError {
  return new StorageError('ERR_FILE_EMPTY', 'The file is empty, which the rules of its column refuse.')
}

async function readInPlace(
  file: StoredFile,
  { storage, rate, signal }: MoveContext,
): Promise<StoredFileData> {
  const { body, info } = await storage.disk(file.disk).get(file, { signal })
  try {
    const hash = createHash('sha256')
    const head: Buffer[] = []
    let size = 0
    for await (const chunk of body) {
      await rate.take(chunk.length, signal)
      hash.update(chunk)
      if (size < SNIFF_BYTES) head.push(chunk)
      size += chunk.length
    }
    if (size !== info.size) throw unsteady()
    const type = await sniffType(Buffer.concat(head).subarray(0, SNIFF_BYTES), file.name)
    const { disk, backend, tenant, key, name } = file
    const { version } = info
    return { disk, backend, tenant, key, name, size, type, sha256: hash.digest('hex'), version }
  } finally {
    body.destroy()
  }
}

function unsteady(): StorageError {
  return new StorageError('ERR_FILE_CHANGED', 'This file was written while it was read. Run it again.')
}
