import type {
  Brackets,
  DataSource,
  EntityManager,
  EntityMetadata,
  ObjectLiteral,
  QueryRunner,
  Repository,
} from 'typeorm'
import { StorageError } from '../../core/errors.js'
import type { StoredFile } from '../../core/stored-file.js'
import type { Claims } from '../claims.js'
import { isSameFile } from '../file-line.js'
import type { FileColumnMetadata, FileEntities } from '../file-metadata.js'
import type { FileEntity, FilePath } from '../rules-of.js'
import { type BulkWhere, bulkCondition } from './bulk-condition.js'
import type { BulkPermits } from './bulk-guard.js'
import { type Cascades, filesOfRow } from './cascades.js'
import { type FileRow, rowPages } from './row-pages.js'

/** What a bulk operation did. */
export interface BulkResult {
  /** Rows of the entity that were deleted or written. */
  readonly rows: number
  /** Files that are handed over for deletion, those of rows that went along by `ON DELETE CASCADE` included. */
  readonly files: number
}

/** What `update()` of a repository takes, with functions that give SQL for columns without files. */
export type BulkValues<E extends ObjectLiteral> = Parameters<Repository<E>['update']>[1]

/** What bulk operations need of a DataSource's binding. */
export interface BulkContext {
  readonly dataSource: DataSource
  readonly entities: FileEntities
  readonly claims: Claims
  readonly cascades: Cascades
  readonly permits: BulkPermits
  /** Whether the database has row locks. */
  readonly lock: boolean
}

// Rows in one statement; SQLite takes conditions of fewer than a thousand terms.
const PAGE = 200

/**
 * Bulk writes that see to the files of their rows. Each operation is one transaction, or a savepoint of the one it
 * is called in: its rows are locked and read, written, and their files handed over for deletion, page by page.
 * Memory does not grow with the number of rows.
 */
export class BulkFiles {
  readonly #manager: EntityManager
  readonly #context: BulkContext

  /** Not for applications: use {@link filesOf}. */
  constructor(manager: EntityManager, context: BulkContext) {
    this.#manager = manager
    this.#context = context
  }

  /**
   * Deletes rows, and hands over their files and those of the rows that the database deletes with them.
   *
   * @throws ERR_BULK_WRITE for a condition that says nothing
   * @example
   * const { rows, files } = await filesOf(dataSource).delete(OrderFile, { orderId })
   */
  delete<E extends ObjectLiteral>(entity: FileEntity<E>, where: BulkWhere<E>): Promise<BulkResult> {
    return this.#delete(entity, bulkCondition(where as BulkWhere<never>))
  }

  /** Deletes all rows of an entity, where `clear()` would leave their files behind. */
  deleteAll<E extends ObjectLiteral>(entity: FileEntity<E>): Promise<BulkResult> {
    return this.#delete(entity, ALL)
  }

  /**
   * Writes the same values into many rows, file columns among them: null takes the files out of the rows. A new file
   * belongs to one row, so the condition must hold for no more than one.
   *
   * @throws ERR_BULK_WRITE for a condition that says nothing, or a file for several rows; ERR_FILE_FORGED,
   *   ERR_FILE_WRONG_COLUMN, ERR_FILE_STALE as `save()`
   * @example
   * await filesOf(dataSource).update(Customer, { active: false }, { contract: null })
   */
  async update<E extends ObjectLiteral>(
    entity: FileEntity<E>,
    where: BulkWhere<E>,
    values: BulkValues<E>,
  ): Promise<BulkResult> {
    const condition = bulkCondition(where as BulkWhere<never>)
    if (condition === undefined) return NOTHING
    return this.#inTransaction(async (manager, runner) => {
      const metadata = this.#context.dataSource.getMetadata(entity)
      const columns = this.#columnsOf(metadata).filter(
        ({ column }) => column.getEntityValue(values) !== undefined,
      )
      const write = new BulkUpdate(values, columns)
      let [rows, files] = [0, 0]
      for await (const page of rowPages(manager, this.#query(metadata, columns, condition, false))) {
        rows += page.length
        write.assertFor(rows)
        await this.#context.claims.before(runner, [{ claim: write.claimsFor(page), remove: [] }])
        await this.#write(metadata, page, () =>
          manager
            .createQueryBuilder()
            .update(metadata.target)
            .set(values)
            .whereInIds(page.map(({ id }) => id))
            .execute(),
        )
        const remove = write.replacedIn(page)
        await this.#context.claims.after(runner, [{ claim: [], remove }])
        files += remove.length
      }
      return { rows, files }
    })
  }

  /**
   * The file in a raw row, as `getRawMany()`, `stream()` and `query()` give it: there nobody reads the column's text.
   *
   * @throws ERR_CONFIG when the property is no file column
   * @example
   * const [row] = await orders.createQueryBuilder('o').select('o.file', 'file').getRawMany()
   * const url = filesOf(dataSource).fromColumn(OrderFile, 'file', row.file)?.url
   */
  fromColumn<E extends ObjectLiteral>(
    entity: FileEntity<E>,
    property: FilePath<E>,
    raw: unknown,
  ): StoredFile | null {
    const metadata = this.#context.dataSource.getMetadata(entity)
    const found = this.#columnsOf(metadata).find(({ column }) => column.propertyPath === property)
    if (found !== undefined) return (found.transformer.from(raw) ?? null) as StoredFile | null
    throw new StorageError('ERR_CONFIG', `${metadata.name}.${property} is no file column.`)
  }

  async #delete(
    entity: FileEntity<ObjectLiteral>,
    condition: Brackets | typeof ALL | undefined,
  ): Promise<BulkResult> {
    if (condition === undefined) return NOTHING
    const { claims, cascades } = this.#context
    return this.#inTransaction(async (manager, runner) => {
      const metadata = this.#context.dataSource.getMetadata(entity)
      const where = condition === ALL ? undefined : condition
      const query = this.#query(metadata, this.#columnsOf(metadata), where, true)
      let [rows, files] = [0, 0]
      for await (const page of rowPages(manager, query)) {
        const ids = page.map(({ id }) => id)
        for await (const remove of cascades.filesBelow(manager, metadata, ids)) {
          await claims.after(runner, [{ claim: [], remove }])
          files += remove.length
        }
        await this.#write(metadata, page, () =>
          manager.createQueryBuilder().delete().from(metadata.target).whereInIds(ids).execute(),
        )
        const remove = page.flatMap(filesOfRow)
        await claims.after(runner, [{ claim: [], remove }])
        rows += page.length
        files += remove.length
      }
      return { rows, files }
    })
  }

  /** A row that was not hit still holds its files, so the whole operation must not be. */
  async #write(
    metadata: EntityMetadata,
    page: readonly FileRow[],
    statement: () => Promise<{ affected?: number | null }>,
  ): Promise<void> {
    const { affected } = await this.#context.permits.run(metadata, statement)
    if (affected === page.length) return
    throw new StorageError(
      'ERR_BULK_WRITE',
      `Only ${affected ?? 'an unknown number'} of ${page.length} rows of ${metadata.name} were written. Something keeps the others from it, such as a trigger of the database; nothing was changed.`,
    )
  }

  /** In a savepoint, where there is a transaction: files that are handed over must not outlive a failure. */
  #inTransaction<T>(work: (manager: EntityManager, runner: QueryRunner) => Promise<T>): Promise<T> {
    return this.#manager.transaction(manager => {
      const { queryRunner } = manager
      if (queryRunner === undefined) throw new Error('TypeORM gave a transaction without a query runner')
      return work(manager, queryRunner)
    })
  }

  #query(
    metadata: EntityMetadata,
    columns: readonly FileColumnMetadata[],
    where: Brackets | undefined,
    withDeleted: boolean,
  ) {
    return { metadata, columns, where, withDeleted, lock: this.#context.lock, size: PAGE }
  }

  #columnsOf(metadata: EntityMetadata): readonly FileColumnMetadata[] {
    return this.#context.entities.get(metadata) ?? []
  }
}

const ALL = Symbol('all rows')
const NOTHING: BulkResult = { rows: 0, files: 0 }

/** What an update does to the files of its rows. */
class BulkUpdate {
  readonly #values: ReadonlyMap<FileColumnMetadata, StoredFile | null>

  /** @throws ERR_FILE_FORGED, ERR_FILE_WRONG_COLUMN */
  constructor(values: object, columns: readonly FileColumnMetadata[]) {
    this.#values = new Map(
      columns.map(each => {
        const value = each.column.getEntityValue(values)
        each.transformer.to(value)
        return [each, value]
      }),
    )
  }

  /** @throws ERR_BULK_WRITE */
  assertFor(rows: number): void {
    if (rows <= 1) return
    for (const [{ column }, file] of this.#values) {
      if (file === null) continue
      throw new StorageError(
        'ERR_BULK_WRITE',
        `A file belongs to one row, and the condition holds for several: ${column.propertyPath} can be set to null in all of them, or to a file in one.`,
      )
    }
  }

  claimsFor(page: readonly FileRow[]) {
    return page.flatMap(({ files }) =>
      [...this.#values].flatMap(([column, file]) => {
        const text = column.transformer.to(file)
        const isNew = file !== null && !isSameFile(file, files.get(column) ?? null)
        return isNew && typeof text === 'string' ? [{ file, text }] : []
      }),
    )
  }

  replacedIn(page: readonly FileRow[]): StoredFile[] {
    return page.flatMap(({ files }) =>
      [...files].flatMap(([column, file]) =>
        file !== null && !isSameFile(file, this.#values.get(column) ?? null) ? [file] : [],
      ),
    )
  }
}
