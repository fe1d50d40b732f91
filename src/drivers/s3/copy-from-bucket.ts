import { CopyObjectCommand, HeadObjectCommand, UploadPartCopyCommand } from '@aws-sdk/client-s3'
import { throwIfAborted } from '../../core/abort.js'
import { assertAbsent } from '../../core/assert-absent.js'
import type { CopiedObject, CopyFromOptions, CopySource } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { inLanes } from '../../core/in-lanes.js'
import { encodeKey } from '../../core/uri.js'
import { abortUpload } from './open-uploads.js'
import { MAX_PARTS } from './options.js'
import type { UploadTools } from './put-object.js'
import type { StoredPart } from './sender.js'
import { UploadTarget } from './upload-target.js'

/** Milliseconds for each request that tidies up. */
const TIDY_TIME = 5_000

/** One object on its way from bucket to bucket. */
interface Transfer extends UploadTools {
  readonly source: CopySource
  readonly target: UploadTarget
  /** In bytes. */
  readonly size: number
}

/**
 * Copies an object of another bucket that the same credentials read: in one request, or part by part where it is
 * larger than one request is to copy.
 */
export async function copyFromBucket(
  tools: UploadTools,
  source: CopySource,
  key: string,
  { size, ...options }: CopyFromOptions,
): Promise<CopiedObject> {
  const target = new UploadTarget(tools.calls, key, options, options.signal)
  const transfer = { ...tools, source, target, size }
  // AWS makes a copy under the condition too. Ceph ignores it, as it does for uploads in parts: a look is left there.
  await assertFree(transfer)
  if (size > tools.calls.limits.copyPartSize) return copyInParts(transfer)
  try {
    return await copyWhole(transfer)
  } catch (error) {
    if (StorageError.is(error, 'ERR_FILE_NOT_FOUND')) throw error
    return target.settle(error, size)
  }
}

async function copyWhole({ calls, source, target }: Transfer): Promise<CopiedObject> {
  const command = new CopyObjectCommand({
    ...target.address,
    ...target.headers,
    CopySource: copySourceOf(source),
    MetadataDirective: 'REPLACE',
    ...(target.createOnly ? { IfNoneMatch: '*' } : {}),
  })
  const { CopyObjectResult, VersionId } = await calls.run(callOf(target), http =>
    calls.client.send(command, http),
  )
  return { etag: CopyObjectResult?.ETag, version: VersionId }
}

async function copyInParts(transfer: Transfer): Promise<CopiedObject> {
  const { calls, sender, target, size } = transfer
  const etag = await etagOf(transfer)
  // One that is begun by a request whose answer gets lost holds no bytes; the bucket's lifecycle rule ends it.
  const id = await sender.createUpload(target, () => {})
  let isComplete = false
  try {
    await target.options.onMultipart?.(id)
    const parts = await copyParts(transfer, id, etag)
    if ((await etagOf(transfer)) !== etag) throw changed(target.key)
    await assertFree(transfer)
    isComplete = true
    return await sender.completeUpload(target, id, parts)
  } catch (error) {
    await abortUpload(calls, target.key, id, { within: TIDY_TIME }).catch(() => {})
    if (isComplete) return target.settle(error, size)
    throw error
  }
}

async function copyParts(transfer: Transfer, id: string, etag: string | undefined): Promise<StoredPart[]> {
  const { size, target, calls } = transfer
  const { copyPartSize, partsInFlight } = calls.limits
  const partSize = Math.max(copyPartSize, Math.ceil(size / MAX_PARTS))
  const numbers = Array.from({ length: Math.ceil(size / partSize) }, (_, index) => index + 1)
  const parts: StoredPart[] = []
  await inLanes(numbers, partsInFlight, async number => {
    throwIfAborted(target.signal)
    const start = (number - 1) * partSize
    const end = Math.min(start + partSize, size) - 1
    const command = new UploadPartCopyCommand({
      ...target.address,
      UploadId: id,
      PartNumber: number,
      CopySource: copySourceOf(transfer.source),
      CopySourceRange: `bytes=${start}-${end}`,
      CopySourceIfMatch: etag,
    })
    const { CopyPartResult } = await calls
      .run(callOf(target), http => calls.client.send(command, http))
      .catch(asChanged)
    const { ETag, ChecksumCRC32 } = CopyPartResult ?? {}
    parts[number - 1] = {
      PartNumber: number,
      ETag,
      ...(ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 }),
    }
  })
  return parts
}

/** The parts must be of one object. Ceph ignores the condition that says so, hence the look afterwards. */
async function etagOf({ calls, source, target }: Transfer): Promise<string | undefined> {
  const command = new HeadObjectCommand({ Bucket: source.bucket, Key: source.key })
  return (await calls.run(callOf(target), http => calls.client.send(command, http))).ETag
}

/** Of a part that is copied under a condition on its source alone. */
function asChanged(error: unknown): never {
  throw StorageError.is(error, 'ERR_FILE_EXISTS') ? changed(error.key, error) : error
}

function changed(key: string | undefined, cause?: unknown): StorageError {
  const message = 'The file was replaced while it was copied.'
  return new StorageError('ERR_FILE_CHANGED', message, { operation: 'copyFrom', key, cause })
}

/** @throws ERR_FILE_EXISTS for a create-only copy whose key is taken */
async function assertFree({ sender, target }: Transfer): Promise<void> {
  if (!target.createOnly) return
  await assertAbsent(() => sender.look(target), { operation: 'copyFrom', key: target.key })
}

function callOf({ call }: UploadTarget) {
  return { ...call, operation: 'copyFrom', slow: true }
}

/** The header is taken as it is written, so it must be URL-encoded ("CopyObject", Amazon S3 API Reference). */
function copySourceOf({ bucket, key }: CopySource): string {
  return `${bucket}/${encodeKey(key)}`
}
