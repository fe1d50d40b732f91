import type { StageEntry } from '../core/ledger.js'
import type { Storage } from '../core/storage.js'
import type { StoredFile } from '../core/stored-file.js'
import { tryGetTenant } from '../core/tenant.js'

/** A file's line in the ledger, or undefined for a file that nobody can locate any more. */
export function lineOf(storage: Storage, file: StoredFile): StageEntry | undefined {
  try {
    const { disk, backend, tenant } = file
    return { backend, objectKey: storage.disk(disk).objectKey(file), disk, tenant }
  } catch {
    return undefined // its disk was taken out of the set-up, or the column held text that is no file
  }
}

/**
 * What runs for one tenant neither saves nor deletes a file of another one, whatever text a row holds. Outside of
 * any tenant, in a job or under `runAsSystem`, rows of all of them may be written.
 *
 * @throws ERR_TENANT_MISMATCH
 */
export function assertOwner(storage: Storage, file: StoredFile, operation: string): void {
  if (tryGetTenant() !== undefined) storage.disk(file.disk).address(file, operation)
}

/** Whether a file is among others, wherever its bytes lie just now. */
export function isAmong(file: StoredFile, files: readonly StoredFile[]): boolean {
  return files.some(other => other.equals(file))
}
