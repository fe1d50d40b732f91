import { isColumnText } from '../core/column-value.js'
import { StorageError } from '../core/errors.js'
import { assertFileName } from '../core/file-name.js'
import type { StageEntry } from '../core/ledger.js'
import type { Storage } from '../core/storage.js'
import { columnTextOf, type FileAddress, type StoredFile, type StoredFileData } from '../core/stored-file.js'
import type { FileColumnMetadata } from '../typeorm/file-metadata.js'

/** One file column of one row: a file, or a list of them. */
export interface Cell {
  readonly id: readonly string[]
  readonly rowId: string
  readonly text: string
  readonly attempts: number
}

/** Which files of a column are to move, or to be adopted where they are. */
export interface Selection {
  readonly from?: string
  /** Undefined: the files of old texts stay where they are, and get texts of this library. */
  readonly to?: string
  readonly tenant?: string
}

/** The files of a cell's text, readable or not. */
export function filesIn({ transformer }: FileColumnMetadata, text: string): readonly StoredFile[] {
  if (text.trim() === '') return [] // how old columns say that there is none
  return transformer.filesOf(transformer.from(text))
}

/** Whether a file is one of those to move, or to adopt. */
export function isToMove(file: StoredFile, { from, to, tenant }: Selection): boolean {
  if (from !== undefined && file.backend !== from) return false
  if (tenant !== undefined && file.tenant !== tenant) return false
  return to === undefined ? isOld(file) : file.backend !== to
}

/** Whether a file is known by the text of an old column alone, or by one that nobody can read. */
export function isOld(file: StoredFile): boolean {
  const text = columnTextOf(file)
  return text !== undefined && !isColumnText(text)
}

/**
 * Whether an old text names a file that may be adopted; a better reason than {@link assertLocatable} has.
 *
 * @throws ERR_BACKEND_UNKNOWN for text that names no file, ERR_KEY_INVALID, ERR_TENANT_INVALID, ERR_FILE_NAME, …
 */
export function assertAdoptable({ transformer }: FileColumnMetadata, text: string): void {
  assertFileName(transformer.locate(text).name)
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
  return String(transformer.textOf(files))
}
