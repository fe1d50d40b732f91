import type { PutObjectCommandInput } from '@aws-sdk/client-s3'
import type { KeepOptions } from '../../core/driver.js'

/** The parameters of PutObject, CreateMultipartUpload and CopyObject that say how an object is kept. */
export type KeepHeaders = Pick<PutObjectCommandInput, 'StorageClass' | 'ServerSideEncryption' | 'SSEKMSKeyId'>

/** Nothing that was not asked for: the bucket's own defaults hold. */
export function keepHeaders({ storageClass, encryption }: KeepOptions): KeepHeaders {
  return {
    // The SDK lists the classes of AWS; other servers have names of their own.
    ...(storageClass === undefined ? {} : { StorageClass: storageClass as KeepHeaders['StorageClass'] }),
    ...(encryption === undefined
      ? {}
      : { ServerSideEncryption: encryption.algorithm as KeepHeaders['ServerSideEncryption'] }),
    ...(encryption?.keyId === undefined ? {} : { SSEKMSKeyId: encryption.keyId }),
  }
}

/** The same as headers of a request. */
export function keepHttpHeaders({
  storageClass,
  encryption,
}: KeepOptions): Record<string, string | undefined> {
  const headers: Record<string, string | undefined> = {}
  if (storageClass !== undefined) headers['x-amz-storage-class'] = storageClass
  if (encryption === undefined) return headers
  headers['x-amz-server-side-encryption'] = encryption.algorithm
  headers['x-amz-server-side-encryption-aws-kms-key-id'] = encryption.keyId
  return headers
}
