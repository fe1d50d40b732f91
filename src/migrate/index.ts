/**
 * Moving house: the files of an entity go to another backend while the application serves.
 *
 * @module
 */
export { adoptFiles } from './adopt-files.js'
export type { AdoptOptions, AdoptProgress, AdoptReport } from './adopt-options.js'
export { checkPhase, type PhaseOptions, type PhaseReport } from './doctor/check-phase.js'
export type { Phase, PhaseCheck } from './doctor/checks.js'
export { everyFileColumn, everyOldColumn } from './file-columns.js'
export {
  type FilePlace,
  type FilePlaces,
  type FilePlacesOptions,
  filePlaces,
  type UnreadableTexts,
} from './file-places.js'
export { isUnfinished, type WalkOptions } from './is-unfinished.js'
export { createMigrationTables, dropMigrationTables } from './journal-table.js'
export { migrateFiles } from './migrate-files.js'
export { adoptColumn, type OldColumn, restoreColumn } from './old-column.js'
export type { ColumnChoice, MigrateEntity } from './one-column.js'
export type { MigrateOptions, Verify } from './options.js'
export { type MigrationPlan, type PlanOptions, planMigration } from './plan-migration.js'
export type { MigrationFailure, MigrationProgress, MigrationReport } from './progress.js'
export { type PruneOptions, type PruneProgress, type PruneReport, pruneFiles } from './prune-files.js'
export {
  type RollbackAdoptionOptions,
  type RollbackAdoptionReport,
  rollbackAdoption,
} from './rollback-adoption.js'
export {
  type RollbackOptions,
  type RollbackProgress,
  type RollbackReport,
  rollbackFiles,
} from './rollback-files.js'
