import type { DiskOptions } from './disk.js'
import { StorageError } from './errors.js'
import { assertPathOfWords } from './key.js'

/** The disks of a storage that names none. */
export const DEFAULT_DISKS: Readonly<Record<string, DiskOptions>> = {
  media: { location: 'media', visibility: 'private', tenancy: 'required' },
  'public-media': { location: 'public-media', visibility: 'public', tenancy: 'required' },
  static: { location: 'static', visibility: 'public', tenancy: 'none', overwrite: 'allow' },
  shared: { location: 'media', visibility: 'private', tenancy: 'shared' },
}

/**
 * Checks the disks of a storage against each other.
 *
 * @throws ERR_CONFIG when one location lies in another: a public disk inside of a private one would publish it
 */
export function assertDisks(disks: Readonly<Record<string, DiskOptions>>): void {
  const entries = Object.entries(disks)
  for (const [name, disk] of entries) {
    assertPathOfWords(disk.location, `location of the disk "${name}"`)
    const clash = entries.find(([other, candidate]) => other !== name && overlap(disk, candidate))
    if (clash !== undefined) {
      throw new StorageError(
        'ERR_CONFIG',
        `The disks "${name}" and "${clash[0]}" overlap: no location may lie in another one.`,
      )
    }
  }
}

function overlap(a: DiskOptions, b: DiskOptions): boolean {
  // The one permitted overlap: `media/shared/` beside `media/<tenant>/`, since no tenant may be called "shared".
  const tenancies = new Set([a.tenancy, b.tenancy])
  if (a.location === b.location && tenancies.has('shared') && tenancies.has('required')) return false
  return `${a.location}/`.startsWith(`${b.location}/`)
}
