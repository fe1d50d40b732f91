import type {
  EntityMetadata,
  EntitySubscriberInterface,
  InsertEvent,
  ObjectLiteral,
  QueryRunner,
  RemoveEvent,
  SoftRemoveEvent,
  UpdateEvent,
} from 'typeorm'
import type { StoredFile } from '../core/stored-file.js'
import type { ConflictInserts } from './conflict-inserts.js'
import { fateOf, fateOnRemoval } from './fate.js'
import { isAmong } from './file-line.js'
import type { FileColumnMetadata } from './file-metadata.js'
import { type Rollbacks, rolledBack } from './rollbacks.js'
import { type RowFiles, readRowFiles } from './row-reader.js'
import type { SoughtRows } from './sought-rows.js'
import type { StatementClaims } from './statement-claims.js'
import type { Turns } from './turns.js'
import type { Fate, Work } from './work.js'

/** What the hooks of one entity need. */
export interface EntityFilesContext {
  readonly before: Turns
  readonly after: Turns
  readonly statements: StatementClaims
  readonly conflicts: ConflictInserts
  readonly rollbacks: Rollbacks
  readonly sought: SoughtRows
  readonly rowLocks: boolean
}

/** What a row held before the statement. */
interface Held {
  readonly id: ObjectLiteral | undefined
  /** Undefined where there was no row. */
  readonly row: RowFiles | undefined
  /** Whether nothing was rolled back since: otherwise the row may hold those files again. */
  readonly stands: () => boolean
}

/**
 * The hooks of one entity with file columns. They run in the entity's own transaction and on its connection, and
 * touch the database only: no byte is stored or deleted here.
 *
 * Before the statement the row's own files are read under a lock, and the statement is told which of its files are
 * new; after it those that the row has lost are handed to the reaper.
 */
export class EntityFiles implements EntitySubscriberInterface<ObjectLiteral> {
  readonly #metadata: EntityMetadata
  readonly #columns: readonly FileColumnMetadata[]
  /** The columns whose files do not survive a soft removal. */
  readonly #softlyDeleted: readonly FileColumnMetadata[]
  readonly #context: EntityFilesContext
  readonly #held = new WeakMap<object, Held>()
  /** The same for orphaned rows, which TypeORM removes by their id alone. */
  readonly #heldById = new Map<string, Held>()

  constructor(metadata: EntityMetadata, columns: readonly FileColumnMetadata[], context: EntityFilesContext) {
    this.#metadata = metadata
    this.#columns = columns
    this.#softlyDeleted = columns.filter(
      ({ transformer }) => transformer.settings.keeping.onSoftDelete === 'delete',
    )
    this.#context = context
  }

  // Entities without files are not slowed down by us.
  listenTo() {
    return this.#metadata.target
  }

  beforeInsert(event: InsertEvent<ObjectLiteral>): Promise<void> | undefined {
    const { entity, queryRunner } = event
    if (!this.#isMine(event) || !entity) return undefined
    try {
      for (const column of this.#columns) this.#announce(queryRunner, entity, column, () => true)
      const insertion = { entity, metadata: this.#metadata, columns: this.#columns }
      this.#context.conflicts.announce(queryRunner, insertion)
      return undefined
    } catch (error) {
      return Promise.reject(error)
    }
  }

  afterInsert({ entity, queryRunner, metadata }: InsertEvent<ObjectLiteral>): void {
    if (this.#isMine({ metadata }) && entity) this.#context.conflicts.forget(queryRunner, entity)
  }

  beforeUpdate(event: UpdateEvent<ObjectLiteral>): Promise<void> | undefined {
    const { entity, databaseEntity, queryRunner } = event
    // An update() by condition tells no row; the guard of bulk writes sees to it.
    if (!this.#isMine(event) || !entity || !databaseEntity) return undefined
    return this.#context.before.add(queryRunner, () =>
      this.#beforeUpdate(queryRunner, entity, databaseEntity),
    )
  }

  afterUpdate(event: UpdateEvent<ObjectLiteral>): Promise<void> | undefined {
    const { entity, queryRunner } = event
    if (!this.#isMine(event) || !entity || !event.databaseEntity) return undefined
    return this.#context.after.add(queryRunner, () => this.#afterUpdate(event, entity))
  }

  beforeRemove(event: RemoveEvent<ObjectLiteral>): Promise<void> | undefined {
    const id = event.databaseEntity ? this.#metadata.getEntityIdMap(event.databaseEntity) : event.entityId
    // A delete by condition tells no row; the guard of bulk writes sees to it.
    if (!this.#isMine(event) || id === undefined || id === null) return undefined
    return this.#hold(event, id, this.#columns)
  }

  afterRemove(event: RemoveEvent<ObjectLiteral>): Promise<void> | undefined {
    const isKnown = event.entity ?? event.databaseEntity ?? event.entityId
    if (!this.#isMine(event) || !isKnown) return undefined
    return this.#context.after.add(event.queryRunner, async () => {
      const held = this.#recall(event)
      return this.#lost(event.queryRunner, held?.id, rowOf(held), fateOnRemoval)
    })
  }

  beforeSoftRemove(event: SoftRemoveEvent<ObjectLiteral>): Promise<void> | undefined {
    if (!this.#isMine(event) || this.#softlyDeleted.length === 0) return undefined
    const id = event.databaseEntity && this.#metadata.getEntityIdMap(event.databaseEntity)
    return id ? this.#hold(event, id, this.#softlyDeleted) : undefined
  }

  /** The row stays, so it must not point to what is deleted. */
  afterSoftRemove(event: SoftRemoveEvent<ObjectLiteral>): Promise<void> | undefined {
    if (!this.#isMine(event) || this.#softlyDeleted.length === 0 || !event.databaseEntity) return undefined
    const { entity, databaseEntity, queryRunner } = event
    return this.#context.after.add(queryRunner, async () => {
      const held = this.#recall(event)
      const row = rowOf(held)
      if (row === undefined) return []
      await this.#forgetFiles(queryRunner, databaseEntity)
      for (const { column } of row.keys()) if (entity) column.setEntityValue(entity, null)
      return this.#lost(queryRunner, held?.id, row, fateOf)
    })
  }

  /** A subscriber that listens to a class is called for its children too; those have their own. */
  #isMine(event: { metadata: EntityMetadata }): boolean {
    return event.metadata === this.#metadata
  }

  #hold(
    event: RemoveEvent<ObjectLiteral>,
    id: ObjectLiteral,
    columns: readonly FileColumnMetadata[],
  ): Promise<void> {
    const { queryRunner } = event
    return this.#context.before.add(queryRunner, async () => {
      const stands = this.#context.rollbacks.watch(queryRunner)
      const row = await this.#read(queryRunner, id, columns)
      this.#context.sought.note(queryRunner, this.#metadata, id, row)
      this.#remember(event, { id, row, stands })
      return []
    })
  }

  async #beforeUpdate(
    runner: QueryRunner,
    entity: ObjectLiteral,
    databaseEntity: ObjectLiteral,
  ): Promise<Work> {
    this.#held.delete(entity)
    const changed = this.#columns.filter(({ column, transformer }) => {
      const value = column.getEntityValue(entity)
      return (
        value !== undefined && transformer.to(value) !== transformer.to(column.getEntityValue(databaseEntity))
      )
    })
    if (changed.length === 0) return []
    const id = this.#metadata.getEntityIdMap(databaseEntity)
    const stands = this.#context.rollbacks.watch(runner)
    const row = id && (await this.#read(runner, id, changed))
    this.#held.set(entity, { id, row, stands })
    if (id && row === undefined) this.#context.sought.note(runner, this.#metadata, id, row)
    for (const column of changed) {
      const own = row?.get(column) ?? []
      keepRowsOwn(entity, column, own)
      // Where the row is gone nothing will be written, or the statement is undone.
      this.#announce(runner, entity, column, file => row !== undefined && !isAmong(file, own))
    }
    return []
  }

  async #afterUpdate(event: UpdateEvent<ObjectLiteral>, entity: ObjectLiteral): Promise<Work> {
    const held = this.#held.get(entity)
    this.#held.delete(entity)
    const row = rowOf(held)
    if (held !== undefined && row === undefined) return [] // the row was gone: nothing was written
    const before = new Map([...this.#lateChanges(event), ...(row ?? [])])
    const id = held?.id ?? this.#metadata.getEntityIdMap(event.databaseEntity)
    return this.#lost(event.queryRunner, id, before, fateOf)
  }

  /**
   * What a row does not hold any more. Looked up and not concluded: a trigger or a policy of the database may have kept
   * the row as it was, and the entity may have been changed again meanwhile.
   */
  async #lost(
    runner: QueryRunner,
    id: ObjectLiteral | undefined,
    before: RowFiles | undefined,
    fate: (column: FileColumnMetadata) => Fate,
  ): Promise<Work> {
    const held = [...(before ?? [])].filter(([, files]) => files.length > 0)
    if (held.length === 0 || id === undefined) return []
    const columns = held.map(([column]) => column)
    const now = [...((await this.#read(runner, id, columns)) ?? new Map()).values()].flat()
    return held.flatMap(([column, files]) =>
      files.filter(file => !isAmong(file, now)).map(file => ({ file, fate: fate(column) })),
    )
  }

  /** Columns that another hook changed after our look. The row is ours by now; its old value is TypeORM's. */
  #lateChanges({ databaseEntity, updatedColumns }: UpdateEvent<ObjectLiteral>): RowFiles {
    const late = this.#columns.filter(({ column }) => updatedColumns.includes(column))
    return new Map(late.map(column => [column, filesOf(databaseEntity, column)]))
  }

  /** @throws ERR_FILE_FORGED, ERR_FILE_WRONG_COLUMN: an SQL expression is no file either */
  #announce(
    runner: QueryRunner,
    entity: ObjectLiteral,
    { column, transformer }: FileColumnMetadata,
    needsClaim: (file: StoredFile) => boolean,
  ): void {
    const text = transformer.to(column.getEntityValue(entity))
    if (typeof text === 'string') this.#context.statements.announce(runner, text, { needsClaim })
  }

  #read(
    runner: QueryRunner,
    id: ObjectLiteral,
    columns: readonly FileColumnMetadata[],
  ): Promise<RowFiles | undefined> {
    const lock = this.#context.rowLocks && runner.isTransactionActive
    return readRowFiles(runner, this.#metadata, id, columns, { lock })
  }

  async #forgetFiles(runner: QueryRunner, row: ObjectLiteral): Promise<void> {
    const nothing: ObjectLiteral = {}
    for (const { column } of this.#softlyDeleted) column.setEntityValue(nothing, null)
    await runner.manager
      .createQueryBuilder()
      .update(this.#metadata.target)
      .set(nothing)
      .whereInIds([this.#metadata.getEntityIdMap(row)])
      .callListeners(false)
      .updateEntity(false)
      .execute()
  }

  #remember(event: RemoveEvent<ObjectLiteral>, held: Held): void {
    const row = event.entity ?? event.databaseEntity
    if (row === undefined) this.#heldById.set(JSON.stringify(event.entityId), held)
    else this.#held.set(row, held)
  }

  #recall(event: RemoveEvent<ObjectLiteral>): Held | undefined {
    const row = event.entity ?? event.databaseEntity
    const id = JSON.stringify(event.entityId)
    const held = row === undefined ? this.#heldById.get(id) : this.#held.get(row)
    if (row === undefined) this.#heldById.delete(id)
    else this.#held.delete(row)
    return held
  }
}

/** @throws ERR_FILE_STALE after a rollback */
function rowOf(held: Held | undefined): RowFiles | undefined {
  if (held === undefined || held.stands()) return held?.row
  throw rolledBack()
}

function filesOf(
  entity: ObjectLiteral | undefined,
  { column, transformer }: FileColumnMetadata,
): readonly StoredFile[] {
  return entity === undefined ? [] : transformer.filesOf(column.getEntityValue(entity))
}

/**
 * The row's own text wins over the same file as it was when the entity was loaded: the file may have moved to
 * another backend since, and a save of the old text would point to where it is not any more.
 */
function keepRowsOwn(
  entity: ObjectLiteral,
  { column, transformer }: FileColumnMetadata,
  own: readonly StoredFile[],
): void {
  const files = filesOf(entity, { column, transformer })
  if (!files.some(file => isAmong(file, own))) return
  const kept = files.map(file => own.find(other => other.equals(file)) ?? file)
  column.setEntityValue(entity, transformer.valueOf(kept))
}
