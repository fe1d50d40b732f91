import type { OutgoingHttpHeaders } from 'node:http'
import type { Driver } from '../core/driver.js'
import { StorageError } from '../core/errors.js'
import type { ServedFile } from '../core/storage.js'

/**
 * Tells nginx which file to send in the place of our answer ("X-Accel", nginx documentation): the path of an
 * internal location, then the backend's name, then the file's path below the backend's folder.
 */
export class AccelRedirect {
  readonly #location: string

  /** @throws ERR_CONFIG */
  constructor(location: string) {
    if (!/^\/([\w.~-]+\/)+$/.test(location)) {
      throw new StorageError(
        'ERR_CONFIG',
        'accelRedirect is the path of an internal location of nginx, with a slash at both ends: "/internal-files/".',
      )
    }
    this.#location = location
  }

  /** Undefined where the file does not lie in a folder of this machine. */
  headerOf(file: ServedFile, driver: Driver, objectKey: string): OutgoingHttpHeaders | undefined {
    const path = driver.pathWithin?.(objectKey)
    if (path === undefined) return undefined
    const encoded = [file.address.backend, ...path.split('/')].map(encodeURIComponent).join('/')
    return { 'X-Accel-Redirect': this.#location + encoded }
  }
}
