import { StorageError } from '../../core/errors.js'
import type { Storage } from '../../core/storage.js'
import type { StoredFile } from '../../core/stored-file.js'
import type { FileRow, FileTable } from '../file-table.js'
import { fromBytes, toBytes } from './byte-order.js'
import { LineSorter } from './line-sorter.js'

/** A file in a column of a row, as far as it is compared. */
export interface RowFile {
  readonly backend: string
  readonly objectKey: string
  readonly table: FileTable
  /** The place of its column among those of the table. */
  readonly column: number
  readonly id: readonly string[]
  /** Bytes in the storage; null where the row does not know. */
  readonly size: number | null
  /** Of the bytes in the storage; null where the row does not know. */
  readonly sha256: string | null
  /** Whose the row says it is; undefined where no column says that. */
  readonly owner: string | null | undefined
}

type Facts = [
  table: number,
  column: number,
  size: number | null,
  sha256: string | null,
  owner: string | null,
  ...id: string[],
]

/** Where a file lies; undefined for one that nobody can locate. */
export function addressOf(
  storage: Storage,
  file: StoredFile,
): { backend: string; objectKey: string } | undefined {
  try {
    if (!storage.backendNames.includes(file.backend)) return undefined
    return { backend: file.backend, objectKey: storage.disk(file.disk).objectKey(file) }
  } catch (error) {
    if (StorageError.is(error)) return undefined // an unknown disk, or text that is no file
    throw error
  }
}

/** Whether a row, as {@link FileTable.one} read it just now, holds the file at this address. */
export function holdsStill(
  storage: Storage,
  { table, column, backend, objectKey }: RowFile,
  rows: readonly Record<string, unknown>[],
): boolean {
  const row = table.read(rows)
  if (row === undefined) return false
  return table.filesOf(row, column).some(file => {
    const address = addressOf(storage, file)
    return address?.backend === backend && address.objectKey === objectKey
  })
}

/** The files of rows, sorted by where they lie. */
export class SortedRows {
  readonly #storage: Storage
  readonly #tables: readonly FileTable[]
  readonly #sorter = new LineSorter()

  constructor(storage: Storage, tables: readonly FileTable[]) {
    this.#storage = storage
    this.#tables = tables
  }

  /** Adds a file that can be located. */
  async add(table: FileTable, column: number, row: FileRow, file: StoredFile): Promise<void> {
    const address = addressOf(this.#storage, file)
    if (address === undefined) return
    const { size, sha256 } = storedFacts(file, row.texts[column] ?? '')
    const facts: Facts = [this.#tables.indexOf(table), column, size, sha256, row.owner ?? null, ...row.id]
    await this.#sorter.add(
      [address.backend, toBytes(address.objectKey), toBytes(JSON.stringify(facts))].join('\t'),
    )
  }

  /** All of them in the order of backend and key, by their bytes. */
  async *inOrder(): AsyncGenerator<RowFile> {
    for await (const line of this.#sorter.sorted()) {
      const [backend = '', objectKey = '', facts = '[]'] = line.split('\t')
      const [index, column, size, sha256, owner, ...id]: Facts = JSON.parse(fromBytes(facts))
      const table = this.#tables[index]
      if (table === undefined) continue
      yield {
        backend,
        objectKey: fromBytes(objectKey),
        table,
        column,
        id,
        size,
        sha256,
        owner: table.hasOwner ? owner : undefined,
      }
    }
  }

  close(): Promise<void> {
    return this.#sorter.close()
  }
}

/** What the row says of the bytes in the storage, which are others than the file's where it is kept encoded. */
function storedFacts(file: StoredFile, text: string): Pick<RowFile, 'size' | 'sha256'> {
  // The plain text of an old column says where its file lies, and no more.
  if (!/^\s*[[{]/.test(text)) return { size: null, sha256: null }
  if (file.encoding !== undefined) return { size: file.storedSize ?? null, sha256: null }
  return { size: file.storedSize ?? file.size, sha256: file.sha256 }
}
