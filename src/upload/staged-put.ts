import { abortError } from '../core/abort.js'
import type { Disk } from '../core/disk.js'
import type { PutBody, PutOptions } from '../core/driver.js'
import { StorageError } from '../core/errors.js'
import { publish } from '../core/events.js'
import type { StagedUpload } from '../core/ledger.js'
import type { Storage } from '../core/storage.js'
import type { FileAddress } from '../core/stored-file.js'

/**
 * Stores one object between two lines of the ledger: pending before its first byte, confirmed after the
 * backend's answer. Whatever happens in between, the object is known to the ledger or gone.
 *
 * @param sizeOf how many bytes the body had, to be asked when it has ended
 * @returns the object's version, on a bucket that keeps versions
 */
export async function putStaged(
  storage: Storage,
  disk: Disk,
  address: FileAddress,
  body: PutBody,
  sizeOf: () => number,
  options: PutOptions,
): Promise<string | undefined> {
  const { backend, tenant } = address
  const entry = { backend, objectKey: disk.objectKey(address), disk: disk.name, tenant }
  const staged = await storage.ledgers.of(tenant).stage(entry)
  const version = await put(disk, address, body, options, staged)
  try {
    if (options.signal?.aborted) throw abortError(options.signal)
    await staged.confirm(sizeOf())
    return version
  } catch (error) {
    // Complete, but nobody's: the client left, the lease ran out, or the ledger cannot be reached.
    await ((await remove(disk, address)) ? staged.abandon() : staged.leave())
    throw error
  }
}

async function put(
  disk: Disk,
  address: FileAddress,
  body: PutBody,
  options: PutOptions,
  staged: StagedUpload,
): Promise<string | undefined> {
  try {
    const { version } = await disk.put(address, body, {
      ...options,
      onMultipart: id => staged.recordMultipart(id),
    })
    return version
  } catch (error) {
    // Where the backend failed, nobody knows what it still does with the bytes it got. The line stays until its
    // lease runs out, and the key is looked after once more.
    if (StorageError.is(error) && error.status < 500) await staged.abandon()
    else staged.leave()
    throw error
  }
}

async function remove(disk: Disk, address: FileAddress): Promise<boolean> {
  try {
    await disk.delete(address)
    return true
  } catch (error) {
    publish('leftover', { backend: address.backend, key: disk.objectKey(address), error })
    return false
  }
}
