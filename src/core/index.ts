/**
 * tenant-files: the concepts. Tenant context, keys, rules, disks, the storage and its files.
 *
 * @module
 */
export { throwIfAborted } from './abort.js'
export { type BackendSource, Backends } from './backends.js'
export { type BodyOptions, endBody, isInMemory, readBody, takeBody } from './body.js'
export { resolveRange } from './byte-range.js'
export type { CallOptions } from './call-limits.js'
export type { CdnOptions, CdnSigner } from './cdn.js'
export { contentDisposition, type Disposition } from './content-disposition.js'
export { Disk, type DiskContext } from './disk.js'
export type { DiskOptions } from './disk-options.js'
export type {
  ByteRange,
  CopiedObject,
  CopyFromOptions,
  CopyOptions,
  CopySource,
  DeleteFailure,
  Driver,
  DriverCapabilities,
  EncryptionAlgorithm,
  GetOptions,
  GetResult,
  KeepOptions,
  ObjectEncryption,
  ObjectEntry,
  ObjectInfo,
  OpenUpload,
  OperationOptions,
  PutBody,
  PutOptions,
  PutResult,
  SignUrlOptions,
} from './driver.js'
export { StorageError, type StorageErrorCode, type StorageErrorDetails } from './errors.js'
export { onStorageEvent, type StorageEvent, type StorageEvents, type UploadPhase } from './events.js'
export { assertFileName } from './file-name.js'
export type { DiskEncryption, DiskKeepOptions } from './keep-options.js'
export { assertListPrefix, assertObjectKey, assertTenantId, SHARED_TENANT, type Tenancy } from './key.js'
export { type Ledger, nullLedger, type StagedUpload, type StageEntry } from './ledger.js'
export { LedgerRegistry, type LedgerResolver, type LedgerSlot } from './ledger-registry.js'
export type { LimitedUpload, MaxSizeOf } from './max-size.js'
export { acceptsType, type FileRules, type ResolvedRules, resolveRules } from './rules.js'
export { scopeDriver } from './scoped-driver.js'
export {
  createStorage,
  type ServedFile,
  Storage,
  type StorageOptions,
} from './storage.js'
export type { UploadOptions } from './storage-options.js'
export {
  type FileAddress,
  isStoredFile,
  StoredFile,
  type StoredFileData,
  type StoredFileHome,
  type StoredFileJson,
} from './stored-file.js'
export type { StoredObject } from './stored-object.js'
export { getTenant, isSystem, runAsSystem, runWithTenant, tryGetTenant } from './tenant.js'
export { UploadMemory } from './upload-memory.js'
export type { FileFacts } from './url-answer.js'
export {
  type ColumnUrls,
  DOCUMENTS_FOR_A_DAY,
  type UrlOptions,
  type UrlRequest,
  type UrlRule,
} from './url-policy.js'
