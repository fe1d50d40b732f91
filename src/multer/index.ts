/**
 * The storage engine for Multer 2.5.
 *
 * @module
 */
// The types of `req.file` come with this room, whatever is imported from it.
import './uploaded-file.js'

export type { FieldRules } from './field-rules.js'
export { limitsByRequest, type UploadLimits } from './limits-by-request.js'
export { type MulterS3Option, type MulterS3Options, multerS3Options } from './multer-s3/multer-s3-options.js'
export { storedByMulterS3 } from './multer-s3/stored-by-multer-s3.js'
export type { TenantStorageOptions } from './options.js'
export { type FileFilter, tenantFilter } from './tenant-filter.js'
export { tenantStorage } from './tenant-storage.js'
