import { StorageError } from '../core/errors.js'
import type { Storage } from '../core/storage.js'
import type { StoredFile } from '../core/stored-file.js'

/**
 * Looks whether a file's bytes are where it says.
 *
 * @returns their number
 * @throws ERR_FILE_NOT_FOUND, ERR_FILE_CHANGED for another number than the file tells of, and the backend's errors
 */
export async function lookAt(
  storage: Storage,
  file: StoredFile,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { size } = await storage.disk(file.disk).head(file, { signal })
  const expected = file.storedSize ?? file.size
  const isKnown = file.sha256 !== null || file.size > 0
  if (!isKnown || file.encoding !== undefined || size === expected) return size
  throw new StorageError('ERR_FILE_CHANGED', `${size} bytes lie there instead of ${expected}.`)
}
