import type { EntityMetadata, ObjectLiteral, QueryRunner } from 'typeorm'
import type { StoredFile } from '../core/stored-file.js'
import type { FileColumnMetadata } from './file-metadata.js'

/** The files in each file column of one row. */
export type RowFiles = ReadonlyMap<FileColumnMetadata, readonly StoredFile[]>

/**
 * Reads file columns as the row holds them now, and locks the row until the end of the transaction. TypeORM's
 * own `databaseEntity` was loaded before the transaction, so somebody may have replaced the file since.
 *
 * @param options.lock whether there is a transaction to hold the lock, on a database that has row locks
 * @returns undefined when the row is gone
 */
export async function readRowFiles(
  runner: QueryRunner,
  metadata: EntityMetadata,
  id: ObjectLiteral,
  columns: readonly FileColumnMetadata[],
  options: { lock: boolean },
): Promise<RowFiles | undefined> {
  const query = runner.manager
    .createQueryBuilder(metadata.target, 'entity')
    .select([])
    .whereInIds([id])
    .withDeleted()
  columns.forEach(({ column }, index) => {
    query.addSelect(`entity.${column.propertyPath}`, nameOf(index))
  })
  if (options.lock) query.setLock('pessimistic_write')
  const row = await query.getRawOne<Record<string, unknown>>()
  if (row === undefined) return undefined
  return new Map(columns.map((column, index) => [column, filesIn(column, row[nameOf(index)])]))
}

/** The files in the text of a column. */
export function filesIn({ transformer }: FileColumnMetadata, text: unknown): readonly StoredFile[] {
  return transformer.filesOf(transformer.from(text))
}

function nameOf(index: number): string {
  return `file_${index}`
}
