import { createHash } from 'node:crypto'
import { throwIfAborted } from '../core/abort.js'
import type { StoredFile } from '../core/stored-file.js'
import { fileTables } from '../typeorm/file-table.js'
import type { OpenBinding } from '../typeorm/files-binding.js'
import type { LineKey } from '../typeorm/ledger-sql.js'
import { addressOf } from '../typeorm/reconcile/sorted-rows.js'
import { nameOf } from './target-lines.js'

/** Characters of a checksum: two files that share them are a file that is not pruned, and no more. */
const LENGTH = 16

/** The files that rows of any file column name, as far as a run needs to know them; a few bytes for each. */
export class NamedFiles {
  readonly #names = new Set<string>()

  /**
   * Walks through all rows of all file columns.
   *
   * @param counts which of their files are kept in mind
   * @throws ERR_UPLOAD_ABORTED for the signal
   */
  static async read(
    binding: OpenBinding,
    counts: (file: StoredFile) => boolean,
    signal?: AbortSignal,
  ): Promise<NamedFiles> {
    const { storage, entities, sql, ledger } = binding
    const named = new NamedFiles()
    for (const table of fileTables(entities, undefined, {}, sql)) {
      for await (const row of table.rows(ledger)) {
        throwIfAborted(signal)
        for (const column of table.columns.keys())
          for (const file of table.filesOf(row, column)) {
            const address = counts(file) ? addressOf(storage, file) : undefined
            if (address !== undefined) named.#names.add(short(address))
          }
      }
    }
    return named
  }

  has(key: LineKey): boolean {
    return this.#names.has(short(key))
  }
}

function short(key: LineKey): string {
  return createHash('sha256').update(nameOf(key)).digest('base64url').slice(0, LENGTH)
}
