import type { StageEntry } from '../core/ledger.js'
import type { Storage } from '../core/storage.js'
import type { StoredFile } from '../core/stored-file.js'

/** A file's line in the ledger, or undefined for a file that nobody can locate any more. */
export function lineOf(storage: Storage, file: StoredFile): StageEntry | undefined {
  try {
    const { disk, backend, tenant } = file
    return { backend, objectKey: storage.disk(disk).objectKey(file), disk, tenant }
  } catch {
    return undefined // its disk was taken out of the set-up, or the column held text that is no file
  }
}

/** Whether two values of one column are the same file, wherever its bytes lie just now. */
export function isSameFile(one: StoredFile | null, other: StoredFile | null): boolean {
  return one === null || other === null ? one === other : one.equals(other)
}
