/**
 * The storage engine for Multer 2.5.
 *
 * @module
 */
export { type FieldRules, tenantStorage } from './tenant-storage.js'
