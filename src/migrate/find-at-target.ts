import type { Disk } from '../core/disk.js'
import { StorageError } from '../core/errors.js'
import type { FileAddress, StoredFile, StoredFileData } from '../core/stored-file.js'
import { differenceOf, factsAt } from './facts.js'
import type { MoveContext } from './move-context.js'
import type { Found } from './trace.js'

/**
 * Looks for a file at its new place, where the old one has not its bytes: an earlier run may have copied them, or
 * somebody else. What was found goes to the trace.
 *
 * @returns what the row is to say of the file at its new place; undefined where its bytes do not lie there
 */
export async function findAtTarget(
  file: StoredFile,
  target: FileAddress,
  context: MoveContext,
): Promise<StoredFileData | undefined> {
  const { signal, storage, trace } = context
  const found = await look(storage.disk(file.disk), file, target, context).catch((error): Found => {
    return StorageError.is(error, 'ERR_FILE_NOT_FOUND') ? 'nothing' : 'unknown'
  })
  if (signal?.aborted) return undefined // nobody has seen anything
  trace.found(found)
  if (found !== 'same') return undefined
  const { name, size, type, sha256, storedSize, scan } = file
  return { ...target, name, size, type, sha256, storedSize, scan }
}

async function look(disk: Disk, file: StoredFile, target: FileAddress, context: MoveContext): Promise<Found> {
  const { size } = await disk.head(target, { signal: context.signal })
  // The checksum of a file that is kept encoded is not that of the bytes that lie there.
  if (file.sha256 === null || file.encoding !== undefined) return 'unknown'
  if (differenceOf(file, { size, sha256: null }) !== undefined) return 'other'
  return differenceOf(file, await factsAt(disk, target, context)) === undefined ? 'same' : 'other'
}
