import type { EntityManager, EntitySubscriberInterface } from 'typeorm'
import { type BulkContext, BulkFiles } from './bulk-files.js'
import { BulkGuard, BulkPermits, type BulkWrites } from './bulk-guard.js'
import { Cascades } from './cascades.js'

/** The bulk writes of one DataSource: those that see to their files, and what stands in the way of the others. */
export class BulkWriting {
  readonly #context: BulkContext
  readonly #bulkWrites: BulkWrites

  constructor(context: Omit<BulkContext, 'cascades' | 'permits'>, bulkWrites: BulkWrites) {
    const cascades = new Cascades(context.dataSource.entityMetadatas, context.entities, context)
    this.#context = { ...context, cascades, permits: new BulkPermits() }
    this.#bulkWrites = bulkWrites
  }

  filesOf(manager: EntityManager): BulkFiles {
    return new BulkFiles(manager, this.#context)
  }

  /** One for each entity whose rows hold files, or take such rows with them. */
  guards(): EntitySubscriberInterface[] {
    const { dataSource, entities, cascades, permits } = this.#context
    const context = { bulkWrites: this.#bulkWrites, permits, covered: async () => false }
    return dataSource.entityMetadatas.flatMap(metadata => {
      const columns = entities.get(metadata) ?? []
      const taken = new Set([...(columns.length > 0 ? [metadata] : []), ...cascades.entitiesBelow(metadata)])
      return taken.size > 0 ? [new BulkGuard(metadata, columns, [...taken], context)] : []
    })
  }
}
