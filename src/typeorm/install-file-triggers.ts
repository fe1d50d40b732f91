import type { EntityMetadata, ObjectLiteral, QueryRunner } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { bindingOf } from './files-binding.js'
import type { FileEntity } from './rules-of.js'

/**
 * Installs triggers that hand over the files of deleted and updated rows, however they are written: bulk deletes, raw
 * SQL, `ON DELETE CASCADE`, `clear()`. For PostgreSQL and SQLite, in a migration behind the one that creates the tables.
 * Installing them again replaces them; that is needed when file columns or disks change, and on SQLite after a
 * migration that rebuilds the table.
 *
 * @param entities default: all with file columns
 * @throws ERR_CONFIG on other databases, for an entity without file columns, and when a table is missing
 * @example
 * export class FileTriggers1764115200000 implements MigrationInterface {
 *   async up(queryRunner: QueryRunner) {
 *     await installFileTriggers(queryRunner, OrderFile)
 *   }
 *   async down(queryRunner: QueryRunner) {
 *     await dropFileTriggers(queryRunner, OrderFile)
 *   }
 * }
 */
export async function installFileTriggers(
  queryRunner: QueryRunner,
  ...entities: readonly FileEntity<ObjectLiteral>[]
): Promise<void> {
  const { triggers, fileEntities } = bindingOf(queryRunner.connection).bulk
  await triggers.install(queryRunner, chosen(queryRunner, entities, fileEntities))
}

/** Removes what {@link installFileTriggers} made; what is not there is no error. @throws ERR_CONFIG */
export async function dropFileTriggers(
  queryRunner: QueryRunner,
  ...entities: readonly FileEntity<ObjectLiteral>[]
): Promise<void> {
  const { triggers, fileEntities } = bindingOf(queryRunner.connection).bulk
  await triggers.drop(queryRunner, chosen(queryRunner, entities, fileEntities))
}

function chosen(
  { connection }: QueryRunner,
  entities: readonly FileEntity<ObjectLiteral>[],
  files: ReadonlySet<EntityMetadata>,
): EntityMetadata[] {
  if (entities.length === 0) return [...files]
  return entities.map(entity => {
    const metadata = connection.getMetadata(entity)
    if (files.has(metadata)) return metadata
    throw new StorageError('ERR_CONFIG', `${metadata.name} has no file column.`)
  })
}
