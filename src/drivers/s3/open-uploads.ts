import {
  AbortMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListPartsCommand,
} from '@aws-sdk/client-s3'
import type { BackendCall } from '../../core/backend-calls.js'
import type { OpenUpload, OperationOptions } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import type { S3Calls } from './s3-calls.js'
import { statusOf } from './s3-errors.js'

/** How often an upload is aborted until its parts are gone. */
const ABORT_ATTEMPTS = 3

/** Lists multipart uploads that were neither completed nor aborted, page by page. */
export async function* listUploads(
  calls: S3Calls,
  prefix: string,
  { signal }: OperationOptions,
): AsyncGenerator<OpenUpload> {
  let page: ListMultipartUploadsCommandOutput | undefined
  do {
    const from = page === undefined ? {} : markerAfter(page)
    // Not in URL encoding: Ceph encodes the keys then without saying so, and others may ignore the wish likewise.
    const command = new ListMultipartUploadsCommand({ Bucket: calls.bucket, Prefix: prefix, ...from })
    page = await calls.run({ operation: 'listUploads', signal }, http => calls.client.send(command, http))
    for (const { Key, UploadId } of page.Uploads ?? []) {
      if (Key !== undefined && UploadId !== undefined) yield { key: Key, id: UploadId }
    }
  } while (page.IsTruncated)
}

/** A server that does not say how to go on, or repeats itself, must not keep us for ever. */
function markerAfter(page: ListMultipartUploadsCommandOutput): {
  KeyMarker: string
  UploadIdMarker?: string
} {
  const { NextKeyMarker, NextUploadIdMarker, KeyMarker, UploadIdMarker } = page
  const isNew = NextKeyMarker !== KeyMarker || NextUploadIdMarker !== UploadIdMarker
  if (!NextKeyMarker || !isNew) {
    const message = 'The storage cut the listing of uploads short without saying how to go on.'
    throw new StorageError('ERR_BACKEND', message, { operation: 'listUploads' })
  }
  return { KeyMarker: NextKeyMarker, UploadIdMarker: NextUploadIdMarker }
}

/**
 * Aborts a multipart upload until it is gone. S3 asks for more than one abort when parts were under way
 * ("AbortMultipartUpload", Amazon S3 API Reference).
 */
export async function abortUpload(
  calls: S3Calls,
  key: string,
  id: string,
  within: Pick<BackendCall, 'signal' | 'within'>,
): Promise<void> {
  const call = { operation: 'abortUpload', key, ...within }
  const upload = { Bucket: calls.bucket, Key: key, UploadId: id }
  try {
    for (let attempt = 0; attempt < ABORT_ATTEMPTS; attempt++) {
      await calls.run(call, http => calls.client.send(new AbortMultipartUploadCommand(upload), http))
      await calls.run(call, http => calls.client.send(new ListPartsCommand({ ...upload, MaxParts: 1 }), http))
    }
  } catch (error) {
    if (statusOf(error) === 404 && !StorageError.is(error, 'ERR_BUCKET_NOT_FOUND')) return
    throw error
  }
  throw new StorageError('ERR_BACKEND', 'The storage still keeps parts of an upload that was aborted.', call)
}
