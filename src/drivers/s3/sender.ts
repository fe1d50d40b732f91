import type { Block } from '../../core/block.js'
import { StorageError } from '../../core/errors.js'
import type { UploadTarget } from './upload-target.js'

/** What the server says of an object that it stored. */
export interface SentObject {
  readonly etag?: string
  readonly version?: string
}

/** One part of a multipart upload. */
export interface Part {
  readonly uploadId: string
  /** From 1. */
  readonly number: number
  readonly block: Block
}

/** What CompleteMultipartUpload asks for of each part. */
export interface StoredPart {
  readonly PartNumber: number
  readonly ETag: string | undefined
  readonly ChecksumCRC32?: string
}

/**
 * Sends bytes to S3, in one of two ways that an upload cannot tell apart: requests of our own, or the SDK's. Every
 * request has an end and is tried again where that may help.
 */
export interface Sender {
  /** What has to be known of every block before it is sent. */
  readonly checksum?: 'crc32'
  putObject(target: UploadTarget, body: Block): Promise<SentObject>
  /**
   * Not ended by the target's signal: nobody could abort the upload then.
   *
   * @param onFailedTry told of a try that may have begun an upload whose id we shall never know
   * @returns the id of a new multipart upload
   */
  createUpload(target: UploadTarget, onFailedTry: () => void): Promise<string>
  uploadPart(target: UploadTarget, part: Part): Promise<StoredPart>
  /** The etag may be empty: Ceph's answer has none. */
  completeUpload(target: UploadTarget, uploadId: string, parts: readonly StoredPart[]): Promise<SentObject>
  /** Rejects with ERR_FILE_NOT_FOUND where there is nothing at the target's key. */
  look(target: UploadTarget): Promise<unknown>
  /** Ends the sender's own connections when they carry nothing; absent where it has none. */
  close?(): void
}

/** @throws ERR_BACKEND without an id */
export function assertUploadId(id: string | undefined, { key }: UploadTarget): string {
  if (id) return id
  const message = 'The storage began a multipart upload without an id.'
  throw new StorageError('ERR_BACKEND', message, { operation: 'put', key })
}

/** The base64 of the four bytes, most significant first ("Checking object integrity", Amazon S3 User Guide). */
export function encodeCrc32(value: number): string {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value)
  return bytes.toString('base64')
}
