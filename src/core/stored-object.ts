import type { Driver, KeepOptions, PutOptions, PutResult } from './driver.js'
import type { ObjectHeaders } from './object-headers.js'
import type { FileAddress } from './stored-file.js'

/** An object that was just stored: where it lies, and how it is kept there. */
export interface StoredObject extends FileAddress, PutResult, KeepOptions {
  readonly bucket?: string
  readonly contentDisposition?: string
}

// Both are written out member by member: to spread that many objects takes more time than all else that a disk does.

/** What the driver is asked for. */
export function putRequest(
  { size, atMost, onMultipart, onLeftover, signal }: PutOptions,
  { contentType, contentDisposition, cacheControl }: ObjectHeaders,
  { storageClass, encryption }: KeepOptions,
  ifNoneMatch: PutOptions['ifNoneMatch'],
): PutOptions {
  const request: PutOptions = {
    contentType,
    contentDisposition,
    cacheControl,
    size,
    atMost,
    ifNoneMatch,
    onMultipart,
    onLeftover,
    signal,
  }
  if (storageClass !== undefined) request.storageClass = storageClass
  if (encryption !== undefined) request.encryption = encryption
  return request
}

/** What became of it. */
export function storedObject(
  { disk, backend, tenant, key }: FileAddress,
  { bucket }: Driver,
  { size, etag, version }: PutResult,
  { storageClass, encryption, contentDisposition }: PutOptions,
): StoredObject {
  return {
    disk,
    backend,
    tenant,
    key,
    size,
    etag,
    version,
    bucket,
    storageClass,
    encryption,
    contentDisposition,
  }
}
