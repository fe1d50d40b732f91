import type { EntityManager, EntityMetadata, EntitySubscriberInterface, QueryRunner } from 'typeorm'
import { warn } from '../core/warn.js'
import { type BulkContext, BulkFiles } from './bulk/bulk-files.js'
import { BulkGuard, BulkPermits, type BulkWrites } from './bulk/bulk-guard.js'
import { Cascades } from './bulk/cascades.js'
import { FileTriggers, type TriggerContext } from './triggers/file-triggers.js'

/**
 * The writes of one DataSource that no hook announces row by row: what sees to their files, what stands in the way of
 * the others, and what is said of those that nobody can stop.
 */
export class BulkWriting {
  readonly triggers: FileTriggers
  readonly #context: BulkContext
  readonly #bulkWrites: BulkWrites

  constructor(context: Omit<BulkContext, 'cascades' | 'permits'> & TriggerContext, bulkWrites: BulkWrites) {
    const { dataSource, entities, sql } = context
    const cascades = new Cascades(dataSource.entityMetadatas, entities, { lock: sql.dialect.ownPool })
    this.#context = { ...context, cascades, permits: new BulkPermits() }
    this.triggers = new FileTriggers(context)
    this.#bulkWrites = bulkWrites
  }

  /** The entities with file columns. */
  get fileEntities(): ReadonlySet<EntityMetadata> {
    return new Set(this.#context.entities.keys())
  }

  filesOf(manager: EntityManager): BulkFiles {
    return new BulkFiles(manager, this.#context)
  }

  /** One for each entity whose rows hold files, or take such rows with them. */
  guards(): EntitySubscriberInterface[] {
    const { dataSource, entities, cascades, permits } = this.#context
    const context = {
      bulkWrites: this.#bulkWrites,
      permits,
      covered: (runner: QueryRunner, metadata: EntityMetadata) => this.triggers.cover(runner, metadata),
    }
    return dataSource.entityMetadatas.flatMap(metadata => {
      const columns = entities.get(metadata) ?? []
      const taken = new Set([...(columns.length > 0 ? [metadata] : []), ...cascades.entitiesBelow(metadata)])
      return taken.size > 0 ? [new BulkGuard(metadata, columns, [...taken], context)] : []
    })
  }

  /** Says at start-up which rows with files the database deletes by itself, where no trigger sees it. */
  async warnOfCascades(): Promise<void> {
    const { dataSource, cascades } = this.#context
    const unseen = cascades.all()
    if (unseen.length === 0) return
    const runner = dataSource.createQueryRunner()
    try {
      for (const { parent, child } of unseen) {
        if (await this.triggers.cover(runner, child)) continue
        warn(
          'CASCADE_UNSEEN',
          `When a row of ${parent.name} is deleted, the database deletes rows of ${child.name} with it (ON DELETE CASCADE), and their files stay. Delete with filesOf(dataSource).delete(), or install file triggers where the database has them.`,
        )
      }
    } finally {
      await runner.release()
    }
  }
}
