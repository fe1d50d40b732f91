import type { StageEntry } from '../core/ledger.js'
import type { Storage } from '../core/storage.js'
import type { FileAddress } from '../core/stored-file.js'
import type { FileColumnMetadata } from '../typeorm/file-metadata.js'
import { entryOf, filesIn } from './cell.js'
import { stays, type TracedCell } from './copied-cell.js'

/** The lines over the new places of a cell whose row does not get them. */
export interface LinesLeft {
  /** Of copies that we made, or may have made, and that a lease may end. */
  readonly copies: readonly StageEntry[]
  /** Of what is not ours, and of what the row may need: whoever gives up or reaps their lines would delete that. */
  readonly strangers: readonly StageEntry[]
}

/** @param text what the row holds now; null where it is gone, or nobody has looked */
export function linesLeft(
  { passengers, traces }: TracedCell,
  text: string | null,
  { storage, column }: { readonly storage: Storage; readonly column: FileColumnMetadata },
): LinesLeft {
  const copies: StageEntry[] = []
  const strangers: StageEntry[] = []
  for (const [index, passenger] of passengers.entries()) {
    if (stays(passenger)) continue
    const { file, target } = passenger
    const owner = traces[index]?.owner
    const isNeeded = names(column, text, target) || (owner === 'last' && names(column, text, file))
    const left = owner === 'stranger' || isNeeded ? strangers : copies
    left.push(entryOf(storage, target))
  }
  return { copies, strangers }
}

/** Whether a text, which may be another than that which was copied, names a file at an address. */
function names(column: FileColumnMetadata, text: string | null, address: FileAddress): boolean {
  if (text === null) return false
  const { backend, disk, tenant, key } = address
  return filesIn(column, text).some(
    each => each.backend === backend && each.disk === disk && each.tenant === tenant && each.key === key,
  )
}
