import { Brackets, type EntityManager, type EntityMetadata, type ObjectLiteral } from 'typeorm'
import { fateOnRemoval } from '../fate.js'
import type { ColumnMetadata, FileColumnMetadata, FileEntities } from '../file-metadata.js'
import type { Release } from '../work.js'
import { ALIAS } from './bulk-condition.js'
import { driverOf, type FileRow, rowPages } from './row-pages.js'

type ForeignKey = EntityMetadata['foreignKeys'][number]

/** Rows that the database deletes with those that they refer to. */
export interface Cascade {
  /** The entity whose rows go. */
  readonly child: EntityMetadata
  readonly foreignKey: ForeignKey
}

/** Some of the rows that go along. */
export interface CascadedRows {
  readonly metadata: EntityMetadata
  readonly rows: readonly FileRow[]
}

const PAGE = 200

/** Knows which rows the database deletes by itself, as far as they, or what goes with them, hold files. */
export class Cascades {
  readonly #entities: FileEntities
  readonly #lock: boolean
  /** By the table that is referred to. */
  readonly #byParent = new Map<string, Cascade[]>()

  /** @param options.lock whether the database has row locks */
  constructor(metadatas: readonly EntityMetadata[], entities: FileEntities, options: { lock: boolean }) {
    this.#entities = entities
    this.#lock = options.lock
    for (const child of metadatas) {
      // A child of a table has its parent's foreign keys too, and the parent knows all columns of the table.
      if (child.tableType === 'entity-child') continue
      for (const foreignKey of child.foreignKeys) {
        if (foreignKey.onDelete !== 'CASCADE') continue
        const parent = foreignKey.referencedEntityMetadata.tablePath
        this.#byParent.set(parent, [...(this.#byParent.get(parent) ?? []), { child, foreignKey }])
      }
    }
  }

  /** What goes with rows of an entity, and holds files or takes files with it. */
  of(parent: EntityMetadata): readonly Cascade[] {
    return (this.#byParent.get(parent.tablePath) ?? []).filter(({ child }) => this.#reachesFiles(child))
  }

  /** Each entity with files that the database deletes rows of, with the one that it refers to. */
  all(): { parent: EntityMetadata; child: EntityMetadata }[] {
    const cascades = [...this.#byParent.values()].flat()
    return cascades
      .filter(({ child }) => this.#columnsOf(child).length > 0)
      .map(({ child, foreignKey }) => ({ parent: foreignKey.referencedEntityMetadata, child }))
  }

  /** All entities with files whose rows may go with rows of this one. */
  entitiesBelow(parent: EntityMetadata): EntityMetadata[] {
    return [...this.#allBelow(parent)].filter(child => this.#columnsOf(child).length > 0)
  }

  /**
   * All rows that the database will delete with these, as far as files may go with them, page by page. Their rows are locked, and no new
   * ones can come while the rows they refer to are locked as well.
   */
  async *rowsBelow(
    manager: EntityManager,
    parent: EntityMetadata,
    ids: readonly ObjectLiteral[],
  ): AsyncGenerator<CascadedRows> {
    yield* this.#below(
      manager,
      parent,
      ids,
      new Set(this.#isTree(parent) ? ids.map(id => nameOf(parent, id)) : []),
    )
  }

  /** @param seen the rows of trees so far, which may refer to each other in a circle */
  async *#below(
    manager: EntityManager,
    parent: EntityMetadata,
    ids: readonly ObjectLiteral[],
    seen: Set<string>,
  ): AsyncGenerator<CascadedRows> {
    for (const cascade of this.of(parent)) {
      const { child } = cascade
      const query = {
        metadata: child,
        columns: this.#columnsOf(child),
        where: refersTo(cascade, ids),
        withDeleted: true,
        lock: this.#lock,
        size: PAGE,
      }
      for await (const page of rowPages(manager, query)) {
        const fresh = this.#isTree(child) ? page.filter(({ id }) => isNew(seen, nameOf(child, id))) : page
        yield { metadata: child, rows: fresh }
        if (fresh.length > 0) {
          yield* this.#below(
            manager,
            child,
            fresh.map(({ id }) => id),
            seen,
          )
        }
      }
    }
  }

  #columnsOf(metadata: EntityMetadata): readonly FileColumnMetadata[] {
    return this.#entities.get(metadata) ?? []
  }

  #reachesFiles(metadata: EntityMetadata): boolean {
    return [metadata, ...this.#allBelow(metadata)].some(each => this.#columnsOf(each).length > 0)
  }

  /** Whether rows of this table may go with other rows of it. */
  #isTree(metadata: EntityMetadata): boolean {
    return [...this.#allBelow(metadata)].some(({ tablePath }) => tablePath === metadata.tablePath)
  }

  /** Every entity whose rows may go with those of another, itself only where it is a tree. */
  #allBelow(metadata: EntityMetadata): ReadonlySet<EntityMetadata> {
    const found = new Set<EntityMetadata>()
    const open = [metadata]
    for (let parent = open.pop(); parent !== undefined; parent = open.pop()) {
      for (const { child } of this.#byParent.get(parent.tablePath) ?? []) {
        if (found.has(child)) continue
        found.add(child)
        open.push(child)
      }
    }
    return found
  }
}

function isNew(seen: Set<string>, name: string): boolean {
  return seen.size < seen.add(name).size
}

function nameOf({ tablePath }: EntityMetadata, id: ObjectLiteral): string {
  return JSON.stringify([tablePath, id])
}

/** The foreign key may refer to any unique columns, so the rows that go are asked for theirs. */
function refersTo({ foreignKey }: Cascade, ids: readonly ObjectLiteral[]): Brackets {
  const parent = foreignKey.referencedEntityMetadata
  const driver = driverOf(parent)
  const parameters: ObjectLiteral = {}
  const rows = ids.map((id, row) => {
    const parts = parent.primaryColumns.map((column, index) => {
      const name = `parent_${row}_${index}`
      parameters[name] = driver.preparePersistentValue(column.getEntityValue(id), column)
      return `${driver.escape('parent')}.${driver.escape(column.databaseName)} = :${name}`
    })
    return `(${parts.join(' AND ')})`
  })
  const list = (alias: string, columns: readonly ColumnMetadata[]) =>
    columns.map(column => `${driver.escape(alias)}.${driver.escape(column.databaseName)}`).join(', ')
  const table = parent.tablePath
    .split('.')
    .map(part => driver.escape(part))
    .join('.')
  return new Brackets(query =>
    query.where(
      `(${list(ALIAS, foreignKey.columns)}) IN (SELECT ${list('parent', foreignKey.referencedColumns)} FROM ${table} ${driver.escape('parent')} WHERE ${rows.join(' OR ')})`,
      parameters,
    ),
  )
}

/** What becomes of the files of a row that is deleted. */
export function releasesOf({ files }: FileRow): Release[] {
  return [...files].flatMap(([column, held]) => {
    const fate = fateOnRemoval(column)
    return held.map(file => ({ file, fate }))
  })
}
