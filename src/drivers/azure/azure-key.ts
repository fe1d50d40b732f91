import { StorageError } from '../../core/errors.js'
import { assertObjectKey } from '../../core/key.js'

/** "Naming and referencing containers, blobs, and metadata", Azure REST API: path segments in a blob's name. */
const MAX_SEGMENTS = 254

/**
 * Checks a key for Azure, which holds fewer names than others. It takes a dot at the end of a segment away without
 * a word (`file.` is stored as `file`: github.com/Azure/azure-sdk-for-java/issues/36674; the page above warns of
 * it), so two keys would become one blob. Azurite keeps the dot.
 *
 * @throws ERR_KEY_INVALID
 */
export function assertAzureKey(key: string): void {
  assertObjectKey(key)
  if (/\.(\/|$)/.test(key)) throw invalid('Azure holds no name with a "." at the end of a segment')
  if (key.split('/').length > MAX_SEGMENTS) throw invalid(`Azure holds at most ${MAX_SEGMENTS} segments`)
}

function invalid(reason: string): StorageError {
  return new StorageError('ERR_KEY_INVALID', `This is not a valid object key: ${reason}.`)
}
