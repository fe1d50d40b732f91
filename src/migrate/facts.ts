import type { Disk } from '../core/disk.js'
import type { FileAddress, StoredFile } from '../core/stored-file.js'
import { type Facts, type ReadContext, Tap } from './tap.js'

/** Reads what lies at a place to its end. */
export async function factsAt(disk: Disk, address: FileAddress, context: ReadContext): Promise<Facts> {
  const { body } = await disk.get(address, { signal: context.signal })
  // Two objects are compared by their bytes, however little is asked of a copy.
  const tap = new Tap({ ...context, verify: 'sha256' })
  await tap.drain(body)
  return tap.facts()
}

/** Whether the row tells of the bytes; the path of an old column does not. */
export function knows({ sha256, size }: StoredFile): boolean {
  return sha256 !== null || size > 0
}

/** What of the bytes is not as the row tells; where the file is kept encoded, its bytes are others. */
export function differenceOf(file: StoredFile, { size, sha256 }: Facts): string | undefined {
  const expected = file.storedSize ?? file.size
  const isEncoded = file.encoding !== undefined
  if (size !== expected && (!isEncoded || file.storedSize !== undefined))
    return `${size} bytes lie there instead of ${expected}`
  if (sha256 !== null && file.sha256 !== null && !isEncoded && sha256 !== file.sha256)
    return 'their checksum differs'
  return undefined
}
