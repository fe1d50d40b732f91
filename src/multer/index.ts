/**
 * The storage engine for Multer 2.5.
 *
 * @module
 */
export type { FieldRules } from './field-rules.js'
export { limitsByRequest, type UploadLimits } from './limits-by-request.js'
export type { TenantStorageOptions } from './options.js'
export { type FileFilter, tenantFilter } from './tenant-filter.js'
export { tenantStorage } from './tenant-storage.js'
