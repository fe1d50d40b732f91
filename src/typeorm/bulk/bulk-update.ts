import type { ObjectLiteral, QueryRunner } from 'typeorm'
import { StorageError } from '../../core/errors.js'
import type { StoredFile } from '../../core/stored-file.js'
import { fateOf } from '../fate.js'
import { isAmong } from '../file-line.js'
import type { FileColumnMetadata } from '../file-metadata.js'
import type { StatementClaims } from '../statement-claims.js'
import type { Release } from '../work.js'
import type { FileRow } from './row-pages.js'

/** What the same values, written into many rows, do to the files of these rows. */
export class BulkUpdate {
  readonly #values: ObjectLiteral
  /** The file columns that are written. */
  readonly columns: readonly FileColumnMetadata[]
  #rows = 0

  /** @throws ERR_FILE_FORGED, ERR_FILE_WRONG_COLUMN, ERR_FILE_COUNT */
  constructor(values: ObjectLiteral, columns: readonly FileColumnMetadata[]) {
    this.#values = values
    this.columns = columns.filter(({ column }) => column.getEntityValue(values) !== undefined)
    for (const { column, transformer } of this.columns) transformer.to(column.getEntityValue(values))
  }

  /** To be called before the statement for a page of rows. @throws ERR_BULK_WRITE for a file that several rows would get */
  announce(page: readonly FileRow[], statements: StatementClaims, runner: QueryRunner): void {
    this.#rows += page.length
    for (const each of this.columns) {
      if (this.#filesOf(each).length === 0) continue
      if (this.#rows > 1) throw severalRows(each)
      const own = page[0]?.files.get(each) ?? []
      const text = each.transformer.to(each.column.getEntityValue(this.#values))
      const needsClaim = (file: StoredFile) => !isAmong(file, own)
      if (typeof text === 'string') statements.announce(runner, text, { needsClaim })
    }
  }

  /** The files that a page of rows has lost by the statement. */
  releases(page: readonly FileRow[]): Release[] {
    return page.flatMap(({ files }) =>
      [...files].flatMap(([column, held]) => {
        const fate = fateOf(column)
        return held.filter(file => !isAmong(file, this.#filesOf(column))).map(file => ({ file, fate }))
      }),
    )
  }

  #filesOf({ column, transformer }: FileColumnMetadata): readonly StoredFile[] {
    return transformer.filesOf(column.getEntityValue(this.#values))
  }
}

function severalRows({ column }: FileColumnMetadata): StorageError {
  return new StorageError(
    'ERR_BULK_WRITE',
    `A file belongs to one row, and the condition holds for several: ${column.propertyPath} can be emptied in all of them, or be given files in one.`,
  )
}
