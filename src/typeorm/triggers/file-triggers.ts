import type { DataSource, EntityMetadata, QueryRunner } from 'typeorm'
import { StorageError } from '../../core/errors.js'
import type { Storage } from '../../core/storage.js'
import type { FileEntities } from '../file-metadata.js'
import type { LedgerSql } from '../ledger-sql.js'
import { postgresTriggers } from './postgres-triggers.js'
import { sqliteTriggers } from './sqlite-triggers.js'
import { type TriggerPlan, triggerPlan } from './trigger-plan.js'

/** What triggers are made from. */
export interface TriggerContext {
  readonly dataSource: DataSource
  readonly storage: Storage
  readonly entities: FileEntities
  readonly sql: LedgerSql
}

/** The triggers of one DataSource, which hand over the files of rows that nobody announces. */
export class FileTriggers {
  readonly #context: TriggerContext

  constructor(context: TriggerContext) {
    this.#context = context
  }

  /** Makes the triggers of these entities' tables, or makes them anew. @throws ERR_CONFIG */
  async install(runner: QueryRunner, metadatas: readonly EntityMetadata[]): Promise<void> {
    const kind = this.#kind ?? unsupported()
    for (const plan of this.#plans(metadatas)) await kind.install(runner, plan)
  }

  /** @throws ERR_CONFIG */
  async drop(runner: QueryRunner, metadatas: readonly EntityMetadata[]): Promise<void> {
    const kind = this.#kind ?? unsupported()
    for (const plan of this.#plans(metadatas)) await kind.drop(runner, plan)
  }

  /** Whether the table of an entity has its triggers, made for the columns and disks of today. */
  async cover(runner: QueryRunner, metadata: EntityMetadata): Promise<boolean> {
    const [plan] = this.#plans([metadata])
    if (plan === undefined || this.#kind === undefined) return false
    return this.#kind.isInstalled(runner, plan)
  }

  get #kind() {
    const { type } = this.#context.dataSource.options
    if (type === 'postgres') return postgresTriggers
    // MariaDB fires no triggers for rows that foreign keys delete, so they would promise too much there.
    return this.#context.sql.dialect.ownPool ? undefined : sqliteTriggers
  }

  #plans(metadatas: readonly EntityMetadata[]): TriggerPlan[] {
    const { entities, storage, sql } = this.#context
    const plans = metadatas.map(metadata => triggerPlan(metadata, entities, storage, sql))
    return [...new Map(plans.map(plan => [plan.tablePath, plan])).values()].filter(
      ({ columns }) => columns.length > 0,
    )
  }
}

function unsupported(): never {
  throw new StorageError(
    'ERR_CONFIG',
    'File triggers work on PostgreSQL and SQLite. MariaDB and MySQL fire none for rows that foreign keys delete: use filesOf(dataSource).delete() there.',
  )
}
