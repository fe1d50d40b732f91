import { StorageError } from '../core/errors.js'
import type { StageEntry } from '../core/ledger.js'
import type { Storage } from '../core/storage.js'
import type { FileAddress, StoredFile, StoredFileData } from '../core/stored-file.js'
import type { FileColumnMetadata } from '../typeorm/file-metadata.js'

/** One file column of one row: a file, or a list of them. */
export interface Cell {
  readonly id: readonly string[]
  readonly rowId: string
  readonly text: string
  readonly attempts: number
}

/** Which files of a column are to move. */
export interface Selection {
  readonly from?: string
  readonly to: string
  readonly tenant?: string
}

/** The files of a cell's text, readable or not. */
export function filesIn({ transformer }: FileColumnMetadata, text: string): readonly StoredFile[] {
  if (text.trim() === '') return [] // how old columns say that there is none
  return transformer.filesOf(transformer.from(text))
}

/** Whether a file is one of those to move. */
export function isToMove(file: StoredFile, { from, to, tenant }: Selection): boolean {
  if (file.backend === to || (from !== undefined && file.backend !== from)) return false
  return tenant === undefined || file.tenant === tenant
}

/** @throws ERR_BACKEND_UNKNOWN for text that names no file of this storage */
export function assertLocatable(storage: Storage, file: StoredFile): void {
  if (storage.backendNames.includes(file.backend) && storage.diskNames.includes(file.disk)) return
  throw new StorageError('ERR_BACKEND_UNKNOWN', 'The column holds text that names no file of this storage.')
}

/** The ledger's line of an address. */
export function entryOf(storage: Storage, address: FileAddress): StageEntry {
  const { disk, backend, tenant } = address
  return { disk, backend, tenant, objectKey: storage.disk(disk).objectKey(address) }
}

/** The text of a cell in which some files have changed. */
export function changedText(
  { transformer }: FileColumnMetadata,
  text: string,
  changes: ReadonlyMap<number, StoredFileData>,
): string {
  const files = transformer.filesOf(transformer.from(text)).map((file, index) => {
    const data = changes.get(index)
    return data === undefined ? file : transformer.changed(data)
  })
  return String(transformer.to(transformer.valueOf(files)))
}
