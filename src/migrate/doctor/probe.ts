import { randomUUID } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import type { Driver } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import type { Storage } from '../../core/storage.js'

/** No tenant is called so, for their names do not begin with this sign. */
const OWNER = '_tenant-files'
const BODY = Buffer.from('A probe of tenant-files. It may be deleted.\n')
/** In milliseconds, for all that is asked of one backend. */
const PATIENCE = 60_000

/**
 * Stores a small object in each area of a backend, reads it, and deletes it: what the application will do there, with the
 * same permissions. It lies beside the tenants.
 *
 * @returns the areas
 * @throws ERR_CONFIG for a backend that stores what it should not, ERR_ENVIRONMENT_MISMATCH, and what its driver throws
 */
export async function probeBackend(
  storage: Storage,
  backend: string,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const driver = await storage.openForMaintenance(backend, 'write')
  const locations = [...new Set(storage.diskNames.map(name => storage.disk(name).options.location))]
  const patience = AbortSignal.timeout(PATIENCE)
  const either = signal === undefined ? patience : AbortSignal.any([patience, signal])
  try {
    for (const location of locations) await probe(driver, `${location}/${OWNER}/${randomUUID()}.txt`, either)
  } catch (error) {
    if (!patience.aborted) throw error
    throw new StorageError('ERR_BACKEND_TIMEOUT', `No answer within ${PATIENCE / 1000} seconds.`, { backend })
  }
  return locations
}

async function probe(driver: Driver, key: string, signal: AbortSignal): Promise<void> {
  try {
    await storeAndRead(driver, key, signal)
  } catch (error) {
    await driver.delete(key).catch(() => {}) // the first error says more
    throw error
  }
  await driver.delete(key, { signal })
}

async function storeAndRead(driver: Driver, key: string, signal: AbortSignal): Promise<void> {
  const create = () => driver.put(key, BODY, { contentType: 'text/plain', ifNoneMatch: '*', signal })
  await create()
  const { body } = await driver.get(key, { signal })
  if (!(await buffer(body)).equals(BODY))
    throw new StorageError('ERR_CONFIG', `What was stored at ${key} is not what is read there.`)
  if (driver.capabilities.createOnly && (await isStored(create)))
    throw new StorageError('ERR_CONFIG', 'It overwrites objects that it is told not to overwrite.')
}

async function isStored(create: () => Promise<unknown>): Promise<boolean> {
  try {
    await create()
    return true
  } catch (error) {
    if (StorageError.is(error, 'ERR_FILE_EXISTS')) return false
    throw error
  }
}
