import { createHash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import type { Driver, ObjectEntry } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'

/** Of an object's bytes, as 64 hexadecimal digits; undefined where the object is gone. */
export async function sha256Of(
  driver: Driver,
  objectKey: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  try {
    const { body } = await driver.get(objectKey, { signal, headers: 'known' })
    const hash = createHash('sha256')
    await pipeline(body, hash)
    return hash.digest('hex')
  } catch (error) {
    if (StorageError.is(error, 'ERR_FILE_NOT_FOUND')) return undefined
    throw error
  }
}

/** An object as it is now; undefined where it is gone. */
export async function lookAt(
  driver: Driver,
  objectKey: string,
  signal: AbortSignal | undefined,
): Promise<ObjectEntry | undefined> {
  try {
    const { size, lastModified } = await driver.head(objectKey, { signal })
    return { key: objectKey, size, lastModified }
  } catch (error) {
    if (StorageError.is(error, 'ERR_FILE_NOT_FOUND')) return undefined
    // A key that our drivers refuse cannot be asked for; the listing has it.
    if (StorageError.is(error, 'ERR_KEY_INVALID'))
      return { key: objectKey, size: 0, lastModified: new Date(0) }
    throw error
  }
}
