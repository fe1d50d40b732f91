import { AsyncLocalStorage } from 'node:async_hooks'
import type {
  EntityMetadata,
  EntitySubscriberInterface,
  ObjectLiteral,
  QueryRunner,
  RemoveEvent,
  SoftRemoveEvent,
  UpdateEvent,
} from 'typeorm'
import { StorageError } from '../../core/errors.js'
import { warn } from '../../core/warn.js'
import type { FileColumnMetadata } from '../file-metadata.js'

/** What happens to a bulk write that would leave files behind: it fails, it is said, or it passes. */
export type BulkWrites = 'refuse' | 'warn' | 'allow'

/** Whether triggers see to the files of these entities' rows. */
export type Covered = (runner: QueryRunner, metadata: EntityMetadata) => Promise<boolean>

/** What all guards of a DataSource share. */
export interface GuardContext {
  readonly bulkWrites: BulkWrites
  readonly covered: Covered
  readonly permits: BulkPermits
}

/** Lets the bulk writes of `filesOf()` pass, which see to the files themselves. */
export class BulkPermits {
  readonly #permitted = new AsyncLocalStorage<EntityMetadata>()

  run<T>(metadata: EntityMetadata, write: () => Promise<T>): Promise<T> {
    return this.#permitted.run(metadata, write)
  }

  /** An application's own hooks run in here too, and may write other entities. */
  has(metadata: EntityMetadata): boolean {
    return this.#permitted.getStore() === metadata
  }
}

/**
 * Stands in the way of statements that take rows with files, or files out of rows, without telling which:
 * `delete(id)`, `update()` and their query builders. It listens to an entity with files, or to one whose rows take
 * such rows with them.
 */
export class BulkGuard implements EntitySubscriberInterface<ObjectLiteral> {
  readonly #metadata: EntityMetadata
  readonly #columns: readonly FileColumnMetadata[]
  /** The entities with files whose rows go with those of this one; it may be among them. */
  readonly #taken: readonly EntityMetadata[]
  readonly #context: GuardContext

  constructor(
    metadata: EntityMetadata,
    columns: readonly FileColumnMetadata[],
    taken: readonly EntityMetadata[],
    context: GuardContext,
  ) {
    this.#metadata = metadata
    this.#columns = columns
    this.#taken = taken
    this.#context = context
  }

  listenTo() {
    return this.#metadata.target
  }

  beforeRemove(event: RemoveEvent<ObjectLiteral>): Promise<void> | undefined {
    const isKnown = event.entity ?? event.databaseEntity ?? event.entityId
    if (isKnown || !this.#isMine(event)) return undefined
    return this.#judge(
      event.queryRunner,
      this.#taken,
      `delete() on ${this.#metadata.name} does not tell which rows it takes${this.#others()}, so nobody would know their files. Use filesOf(dataSource).delete(), or load the entities and use remove().`,
    )
  }

  beforeUpdate({ entity, databaseEntity, ...event }: UpdateEvent<ObjectLiteral>): Promise<void> | undefined {
    if (databaseEntity || !entity || !this.#isMine(event)) return undefined
    const written = this.#columns.filter(({ column }) => column.getEntityValue(entity) !== undefined)
    const [first] = written
    if (first === undefined) return undefined
    const property = `${this.#metadata.name}.${first.column.propertyPath}`
    const message = `update() cannot write the file column ${property}: nobody would know which files it replaces. Use filesOf(dataSource).update(), or load the entities and use save().`
    // A file that nobody claims is deleted after its lease, under a row that holds it.
    if (!written.every(({ column }) => isEmpty(column.getEntityValue(entity))))
      return Promise.reject(new StorageError('ERR_BULK_WRITE', message))
    return this.#judge(event.queryRunner, [this.#metadata], message)
  }

  /** What the statement would delete by `onSoftDelete: 'delete'` it would also have to take out of the rows. */
  beforeSoftRemove(event: SoftRemoveEvent<ObjectLiteral>): Promise<void> | undefined {
    if (event.databaseEntity || !this.#isMine(event) || !this.#columns.some(goesSoftly)) return undefined
    const message = `softDelete() cannot tell which files of ${this.#metadata.name} it deletes (onSoftDelete: "delete"). Use filesOf(dataSource).softDelete(), or load the entities and use softRemove().`
    return Promise.reject(new StorageError('ERR_BULK_WRITE', message))
  }

  async #judge(runner: QueryRunner, taken: readonly EntityMetadata[], message: string): Promise<void> {
    const { bulkWrites, covered } = this.#context
    if (bulkWrites === 'allow') return
    let missing = 0
    for (const each of taken) if (!(await covered(runner, each))) missing++
    if (missing === 0) return
    if (bulkWrites === 'refuse') throw new StorageError('ERR_BULK_WRITE', message)
    warn('BULK_WRITE', message)
  }

  #others(): string {
    const others = this.#taken.filter(each => each !== this.#metadata).map(({ name }) => name)
    return others.length > 0 ? `, and with them rows of ${others.join(', ')}` : ''
  }

  /** A subscriber that listens to a class is called for its children too; those have their own. */
  #isMine({ metadata }: { metadata: EntityMetadata }): boolean {
    return metadata === this.#metadata && !this.#context.permits.has(metadata)
  }
}

/** Whether the files of a column do not survive a soft removal. */
export function goesSoftly({ transformer }: FileColumnMetadata): boolean {
  return transformer.settings.keeping.onSoftDelete === 'delete'
}

function isEmpty(value: unknown): boolean {
  return value === null || (Array.isArray(value) && value.length === 0)
}
