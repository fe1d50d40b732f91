import type {
  EntityMetadata,
  EntitySubscriberInterface,
  InsertEvent,
  ObjectLiteral,
  QueryRunner,
  RemoveEvent,
  UpdateEvent,
} from 'typeorm'
import type { StoredFile } from '../core/stored-file.js'
import { isSameFile } from './file-line.js'
import type { FileColumnMetadata } from './file-metadata.js'
import { type Rollbacks, rolledBack } from './rollbacks.js'
import { type RowFiles, readRowFiles } from './row-reader.js'
import type { Turns } from './turns.js'
import { type Claim, NO_WORK, type Work } from './work.js'

/** What the hooks of one entity need. */
export interface EntityFilesContext {
  readonly before: Turns
  readonly after: Turns
  readonly rollbacks: Rollbacks
  readonly rowLocks: boolean
}

/** What a row held before the statement. */
interface Held {
  /** Undefined where there was no row. */
  readonly row: RowFiles | undefined
  /** Whether nothing was rolled back since: otherwise the row may hold those files again. */
  readonly stands: () => boolean
}

/**
 * The hooks of one entity with file columns. They run in the entity's own transaction and on its connection, and
 * touch the database only: no byte is stored or deleted here.
 *
 * Before the statement new files are claimed, and the row's own are read under a lock; after it the row's old
 * files are handed to the reaper.
 */
export class EntityFiles implements EntitySubscriberInterface<ObjectLiteral> {
  readonly #metadata: EntityMetadata
  readonly #columns: readonly FileColumnMetadata[]
  readonly #context: EntityFilesContext
  /** The files that were claimed before the statement that writes this entity. */
  readonly #claimed = new WeakMap<object, ReadonlySet<StoredFile>>()
  readonly #held = new WeakMap<object, Held>()
  /** The same for orphaned rows, which TypeORM removes by their id alone. */
  readonly #heldById = new Map<string, Held>()

  constructor(metadata: EntityMetadata, columns: readonly FileColumnMetadata[], context: EntityFilesContext) {
    this.#metadata = metadata
    this.#columns = columns
    this.#context = context
  }

  // Entities without files are not slowed down by us.
  listenTo() {
    return this.#metadata.target
  }

  beforeInsert(event: InsertEvent<ObjectLiteral>): Promise<void> | undefined {
    const { entity, queryRunner } = event
    if (!this.#isMine(event) || !entity) return undefined
    return this.#context.before.add(queryRunner, async () => this.#claimFor(entity, this.#filesOf(entity)))
  }

  afterInsert(event: InsertEvent<ObjectLiteral>): Promise<void> | undefined {
    const { entity, queryRunner } = event
    if (!this.#isMine(event) || !entity) return undefined
    return this.#context.after.add(queryRunner, async () => {
      return { claim: this.#unclaimed(entity, this.#filesOf(entity)), remove: [] }
    })
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
    return this.#context.after.add(queryRunner, async () => this.#afterUpdate(event, entity))
  }

  beforeRemove(event: RemoveEvent<ObjectLiteral>): Promise<void> | undefined {
    const id = event.databaseEntity ? this.#metadata.getEntityIdMap(event.databaseEntity) : event.entityId
    // A delete by condition tells no row; the guard of bulk writes sees to it.
    if (!this.#isMine(event) || id === undefined || id === null) return undefined
    const { queryRunner } = event
    return this.#context.before.add(queryRunner, async () => {
      const stands = this.#context.rollbacks.watch(queryRunner)
      this.#remember(event, { row: await this.#read(queryRunner, id, this.#columns), stands })
      return NO_WORK
    })
  }

  afterRemove(event: RemoveEvent<ObjectLiteral>): Promise<void> | undefined {
    const isKnown = event.entity ?? event.databaseEntity ?? event.entityId
    if (!this.#isMine(event) || !isKnown) return undefined
    return this.#context.after.add(event.queryRunner, async () => {
      const row = rowOf(this.#recall(event))
      return { claim: [], remove: [...(row?.values() ?? [])].filter(file => file !== null) }
    })
  }

  /** A subscriber that listens to a class is called for its children too; those have their own. */
  #isMine(event: { metadata: EntityMetadata }): boolean {
    return event.metadata === this.#metadata
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
    if (changed.length === 0) return NO_WORK
    const id = this.#metadata.getEntityIdMap(databaseEntity)
    const stands = this.#context.rollbacks.watch(runner)
    const row = id && (await this.#read(runner, id, changed))
    this.#held.set(entity, { row, stands })
    if (row === undefined) return NO_WORK
    for (const [column, file] of row) keepRowsOwn(entity, column, file)
    return this.#claimFor(entity, replacements(entity, row))
  }

  async #afterUpdate(event: UpdateEvent<ObjectLiteral>, entity: ObjectLiteral): Promise<Work> {
    const held = this.#held.get(entity)
    this.#held.delete(entity)
    const row = rowOf(held)
    if (held !== undefined && row === undefined) return NO_WORK // the row was gone: nothing was written
    const before = new Map([...this.#lateChanges(event), ...(row ?? [])])
    const isReplaced = ([{ column }, file]: [FileColumnMetadata, StoredFile | null]) => {
      return file !== null && !isSameFile(column.getEntityValue(entity) ?? null, file)
    }
    return {
      claim: this.#unclaimed(entity, replacements(entity, before)),
      remove: [...before].filter(isReplaced).flatMap(([, file]) => file ?? []),
    }
  }

  /** Columns that another hook changed after our look. The row is ours by now; its old value is TypeORM's. */
  #lateChanges({ databaseEntity, updatedColumns }: UpdateEvent<ObjectLiteral>): RowFiles {
    const late = this.#columns.filter(({ column }) => updatedColumns.includes(column))
    return new Map(late.map(column => [column, column.column.getEntityValue(databaseEntity) ?? null]))
  }

  #read(
    runner: QueryRunner,
    id: ObjectLiteral,
    columns: readonly FileColumnMetadata[],
  ): Promise<RowFiles | undefined> {
    const lock = this.#context.rowLocks && runner.isTransactionActive
    return readRowFiles(runner, this.#metadata, id, columns, { lock })
  }

  #filesOf(entity: ObjectLiteral): Claim[] {
    return this.#columns.flatMap(column => claimOf(entity, column))
  }

  #claimFor(entity: ObjectLiteral, claim: readonly Claim[]): Work {
    this.#claimed.set(entity, new Set(claim.map(({ file }) => file)))
    return { claim, remove: [] }
  }

  #unclaimed(entity: ObjectLiteral, claims: readonly Claim[]): Claim[] {
    const claimed = this.#claimed.get(entity)
    return claims.filter(({ file }) => !claimed?.has(file))
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

/** The new files of an entity, where a row holds others. */
function replacements(entity: ObjectLiteral, held: RowFiles): Claim[] {
  return [...held].flatMap(([column, file]) =>
    claimOf(entity, column).filter(claim => !isSameFile(claim.file, file)),
  )
}

/** @throws ERR_FILE_FORGED, ERR_FILE_WRONG_COLUMN: an SQL expression is no file either */
function claimOf(entity: ObjectLiteral, { column, transformer }: FileColumnMetadata): Claim[] {
  const file = column.getEntityValue(entity)
  const text = transformer.to(file)
  return typeof text === 'string' ? [{ file, text }] : []
}

/**
 * The row's own text wins over the same file as it was when the entity was loaded: the file may have moved to
 * another backend since, and a save of the old text would point to where it is not any more.
 */
function keepRowsOwn(entity: ObjectLiteral, { column }: FileColumnMetadata, file: StoredFile | null): void {
  const value: StoredFile | null | undefined = column.getEntityValue(entity)
  if (value && file && value.equals(file)) column.setEntityValue(entity, file)
}
