/**
 * TypeORM: file columns, and rows and files that stay true to each other.
 *
 * @module
 */
export type { BulkWhere } from './bulk/bulk-condition.js'
export type { BulkFiles, BulkResult, BulkValues } from './bulk/bulk-files.js'
export type { BulkWrites } from './bulk/bulk-guard.js'
export { FileColumn, type FileColumnOptions, fileColumn, PublicFileColumn } from './file-column.js'
export { fileToPlain } from './file-to-plain.js'
export { FilesColumn, type FilesColumnOptions, filesColumn } from './files-column.js'
export { filesOf } from './files-of.js'
export { dropFileTriggers, installFileTriggers } from './install-file-triggers.js'
export type { KeepingOptions } from './keeping.js'
export type { LedgerLine, LedgerState, LedgerTableOptions } from './ledger-table.js'
export type { LegacyFile, LegacyReader } from './legacy.js'
export type { QuotaOption, QuotaSize } from './quota/quota.js'
export { type TenantUsage, type UsagePart, usage } from './quota/usage.js'
export { reapOnce, retryDead } from './reaper/reap-once.js'
export type { ReapReport } from './reaper/reap-round.js'
export type { ReaperOptions, ReapOptions } from './reaper/reaper-options.js'
export { type Reaper, startReaper } from './reaper/start-reaper.js'
export type { Finding, FindingKind, FindingRow, Mending } from './reconcile/findings.js'
export type { Fix } from './reconcile/mend.js'
export type { ReconcileOptions, ReconcileProgress } from './reconcile/options.js'
export { reconcile } from './reconcile/reconcile.js'
export { formatReport, type ReconcileReport } from './reconcile/report.js'
export { type FileEntity, type FilePath, rulesOf } from './rules-of.js'
export { type WithFilesOptions, withFiles } from './with-files.js'
