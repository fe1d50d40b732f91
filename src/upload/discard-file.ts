import type { Storage } from '../core/storage.js'
import { homeOf, type StoredFile } from '../core/stored-file.js'

/**
 * Removes a file that was uploaded and never saved in a row. One that a row has claimed stays.
 *
 * @throws ERR_FILE_FORGED, ERR_TENANT_MISMATCH, the backend's and the ledger's errors
 */
export async function discardFile(storage: Storage, file: StoredFile): Promise<void> {
  homeOf(file) // plain data names whatever key it likes, and without a ledger nobody would object
  const disk = storage.disk(file.disk)
  const address = disk.address(file, 'delete')
  await storage.ledgers
    .of(file.tenant)
    .discard(file.backend, disk.objectKey(address), () => disk.delete(address))
}
