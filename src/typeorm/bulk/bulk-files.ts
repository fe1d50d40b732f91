import type {
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
import { fateOf } from '../fate.js'
import type { FileColumnMetadata, FileEntities } from '../file-metadata.js'
import type { LedgerSql } from '../ledger-sql.js'
import type { FileEntity, FilePath } from '../rules-of.js'
import type { StatementClaims } from '../statement-claims.js'
import type { Release } from '../work.js'
import { ALIAS, type BulkRows, type BulkWhere, bulkCondition, EVERY_ROW } from './bulk-condition.js'
import { type BulkPermits, goesSoftly } from './bulk-guard.js'
import { BulkUpdate } from './bulk-update.js'
import { type CascadedRows, type Cascades, releasesOf } from './cascades.js'
import { type FileRow, type RowQuery, rowPages } from './row-pages.js'

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
  readonly statements: StatementClaims
  readonly sql: LedgerSql
  readonly cascades: Cascades
  readonly permits: BulkPermits
}

// Rows in one statement; SQLite takes conditions of fewer than a thousand terms.
const PAGE = 200

/**
 * Bulk writes that see to the files of their rows. Each operation is one transaction, or a savepoint of the one it
 * is called in: its rows are locked and read, written, and their files handed over for deletion, page by page.
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
  async delete<E extends ObjectLiteral>(entity: FileEntity<E>, where: BulkWhere<E>): Promise<BulkResult> {
    return this.#delete(entity, bulkCondition(where))
  }

  /** Deletes all rows of an entity, where `clear()` would leave their files behind. */
  deleteAll<E extends ObjectLiteral>(entity: FileEntity<E>): Promise<BulkResult> {
    return this.#delete(entity, EVERY_ROW)
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
    const metadata = this.#metadataOf(entity)
    const write = new BulkUpdate(values, this.#columnsOf(metadata))
    const { columns } = write
    const query = { metadata, columns, rows: bulkCondition(where), withDeleted: false }
    return this.#pages(query, async (page, { manager, runner }) => {
      write.announce(page, this.#context.statements, runner)
      await this.#write(metadata, page, () =>
        manager.createQueryBuilder().update(metadata.target).set(values).whereInIds(idsOf(page)).execute(),
      )
      return write.releases(page)
    })
  }

  /**
   * Removes rows softly. Files of columns with `onSoftDelete: 'delete'` are taken out of them and handed over.
   *
   * @throws ERR_BULK_WRITE for a condition that says nothing
   */
  async softDelete<E extends ObjectLiteral>(entity: FileEntity<E>, where: BulkWhere<E>): Promise<BulkResult> {
    const metadata = this.#metadataOf(entity)
    const columns = this.#columnsOf(metadata).filter(goesSoftly)
    const nothing: ObjectLiteral = {}
    for (const { column } of columns) column.setEntityValue(nothing, null)
    const query = { metadata, columns, rows: bulkCondition(where), withDeleted: false }
    return this.#pages(query, async (page, { manager }) => {
      const ids = idsOf(page)
      const builder = () => manager.createQueryBuilder()
      await this.#write(metadata, page, () =>
        builder().softDelete().from(metadata.target).whereInIds(ids).execute(),
      )
      if (columns.length > 0) {
        await this.#write(metadata, page, () =>
          builder().update(metadata.target).set(nothing).whereInIds(ids).callListeners(false).execute(),
        )
      }
      return page.flatMap(({ files }) =>
        [...files].flatMap(([column, held]) => held.map(file => ({ file, fate: fateOf(column) }))),
      )
    })
  }

  /**
   * The file in a raw row, as `getRawMany()`, `stream()` and `query()` give it: there nobody reads the column's text.
   * A column of several files gives their list.
   *
   * @throws ERR_CONFIG when the property is no file column
   * @example
   * const [row] = await orders.createQueryBuilder('o').select('o.file', 'file').getRawMany()
   * const url = filesOf(dataSource).fromColumn(OrderFile, 'file', row.file)?.url
   */
  fromColumn<E extends ObjectLiteral, P extends FilePath<E>>(
    entity: FileEntity<E>,
    property: P,
    raw: unknown,
  ): P extends keyof E ? E[P] : StoredFile | readonly StoredFile[] | null {
    const metadata = this.#metadataOf(entity)
    const found = this.#columnsOf(metadata).find(({ column }) => column.propertyPath === property)
    if (found === undefined)
      throw new StorageError('ERR_CONFIG', `${metadata.name}.${property} is no file column.`)
    return (found.transformer.from(raw) ?? null) as ReturnType<typeof this.fromColumn<E, P>>
  }

  async #delete<E extends ObjectLiteral>(entity: FileEntity<E>, which: BulkRows): Promise<BulkResult> {
    const metadata = this.#metadataOf(entity)
    const columns = this.#columnsOf(metadata)
    const { claims, cascades } = this.#context
    let along = 0
    const query: BulkQuery = { metadata, columns, rows: which, withDeleted: true }
    const { rows, files } = await this.#pages(query, async (page, { manager, runner }) => {
      const ids = idsOf(page)
      const gone: CascadedRows[] = []
      for await (const cascaded of cascades.rowsBelow(manager, metadata, ids)) {
        const releases = cascaded.rows.flatMap(releasesOf)
        await claims.release(runner, releases)
        along += releases.length
        gone.push(cascaded)
      }
      await this.#context.permits.run(metadata, () =>
        manager.createQueryBuilder().delete().from(metadata.target).whereInIds(ids).execute(),
      )
      // Looked at, not counted: rows of a tree may have gone with each other.
      for (const each of [{ metadata, rows: page }, ...gone]) await assertGone(manager, each)
      return page.flatMap(releasesOf)
    })
    return { rows, files: files + along }
  }

  /**
   * Does something to each page of rows, and hands over the files that it gives back. In a savepoint, where there is a
   * transaction: files that are handed over must not outlive a failure.
   */
  async #pages({ rows: which, ...query }: BulkQuery, work: PageWork): Promise<BulkResult> {
    if (which === undefined) return { rows: 0, files: 0 }
    const where = which === EVERY_ROW ? undefined : which
    const lock = this.#context.sql.dialect.ownPool
    return this.#manager.transaction(async manager => {
      const { queryRunner: runner } = manager
      if (runner === undefined)
        throw new StorageError('ERR_CONFIG', 'TypeORM gave a transaction without a query runner.')
      let [rows, files] = [0, 0]
      for await (const page of rowPages(manager, { ...query, where, lock, size: PAGE })) {
        const releases = await work(page, { manager, runner })
        await this.#context.claims.release(runner, releases)
        rows += page.length
        files += releases.length
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

  #metadataOf<E extends ObjectLiteral>(entity: FileEntity<E>): EntityMetadata {
    return this.#context.dataSource.getMetadata(entity)
  }

  #columnsOf(metadata: EntityMetadata): readonly FileColumnMetadata[] {
    return this.#context.entities.get(metadata) ?? []
  }
}

/** The rows that an operation is about. */
type BulkQuery = Pick<RowQuery, 'metadata' | 'columns' | 'withDeleted'> & { readonly rows: BulkRows }

/** Writes a page of rows. @returns the files that they lose */
type PageWork = (
  page: readonly FileRow[],
  transaction: { readonly manager: EntityManager; readonly runner: QueryRunner },
) => Promise<Release[]>

/** A row that is still there holds files that are handed over. @throws ERR_BULK_WRITE */
async function assertGone(manager: EntityManager, { metadata, rows }: CascadedRows): Promise<void> {
  if (rows.length === 0) return
  const query = manager.createQueryBuilder(metadata.target, ALIAS).whereInIds(idsOf(rows)).withDeleted()
  const left = await query.getCount()
  if (left === 0) return
  throw new StorageError(
    'ERR_BULK_WRITE',
    `${left} of ${rows.length} rows of ${metadata.name} are still there. Does the database have the foreign keys that its entities tell of (ON DELETE CASCADE), or does a trigger keep them? Nothing was changed.`,
  )
}

function idsOf(page: readonly FileRow[]): ObjectLiteral[] {
  return page.map(({ id }) => id)
}
