/**
 * tenant-files: the concepts. Tenant context, keys, rules, disks, the storage and its files.
 *
 * @module
 */
export { type BackendSource, Backends } from './backends.js'
export type { CallOptions } from './call-limits.js'
export { contentDisposition, type Disposition } from './content-disposition.js'
export { Disk, type DiskContext, type DiskOptions } from './disk.js'
export type {
  ByteRange,
  CopyOptions,
  Driver,
  DriverCapabilities,
  EncryptionAlgorithm,
  GetOptions,
  GetResult,
  KeepOptions,
  ObjectEncryption,
  ObjectEntry,
  ObjectInfo,
  OperationOptions,
  PutBody,
  PutOptions,
  PutResult,
  SignUrlOptions,
} from './driver.js'
export { StorageError, type StorageErrorCode, type StorageErrorDetails } from './errors.js'
export { onStorageEvent, type StorageEvent, type StorageEvents } from './events.js'
export { assertFileName } from './file-name.js'
export { assertObjectKey, assertTenantId, SHARED_TENANT, type Tenancy } from './key.js'
export { type Ledger, nullLedger, type StagedUpload, type StageEntry } from './ledger.js'
export { LedgerRegistry, type LedgerResolver, type LedgerSlot } from './ledger-registry.js'
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
export { getTenant, isSystem, runAsSystem, runWithTenant, tryGetTenant } from './tenant.js'
export type { UrlOptions, UrlRequest, UrlRule } from './url-policy.js'
