import type { Disk } from '../../core/disk.js'
import { StorageError } from '../../core/errors.js'
import type { Storage } from '../../core/storage.js'

/**
 * A disk that can hold what the application itself ships.
 *
 * @throws ERR_DISK_UNKNOWN, ERR_CONFIG for one that belongs to tenants or is private
 */
export function staticDisk(storage: Storage, name = 'static'): Disk {
  const disk = storage.disk(name)
  const { tenancy, visibility } = disk.options
  if (tenancy === 'none' && visibility === 'public') return disk
  throw new StorageError(
    'ERR_CONFIG',
    `Static files lie on a disk with tenancy "none" and visibility "public"; "${name}" has "${tenancy}" and "${visibility}".`,
  )
}
