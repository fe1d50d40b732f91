/**
 * Moving house: the files of an entity go to another backend while the application serves.
 *
 * @module
 */
export { createMigrationTables, dropMigrationTables } from './journal-table.js'
export { migrateFiles } from './migrate-files.js'
export type { MigrateOptions, Verify } from './options.js'
export { type MigrationPlan, type PlanOptions, planMigration } from './plan-migration.js'
export type { MigrationFailure, MigrationProgress, MigrationReport } from './progress.js'
export { type PruneOptions, type PruneProgress, type PruneReport, pruneFiles } from './prune-files.js'
export {
  type RollbackOptions,
  type RollbackProgress,
  type RollbackReport,
  rollbackFiles,
} from './rollback-files.js'
