import type { BlobGetPropertiesResponse } from '@azure/storage-blob'
import type { CopiedObject, CopyFromOptions, CopySource } from '../../core/driver.js'
import { encodeKey } from '../../core/uri.js'
import type { AzureCalls } from './azure-calls.js'
import { beginCopy, finishCopy } from './copy-blob.js'
import { accountUrl } from './options.js'
import { UploadTarget } from './upload-target.js'

/** Milliseconds for each request that tidies up. */
const TIDY_TIME = 5_000

/**
 * Copies a blob of another container of the account. The copy has the headers of its source at first ("Copy Blob",
 * Azure REST API), so where others are wanted they are set at once.
 */
export async function copyFromContainer(
  calls: AzureCalls,
  source: CopySource,
  key: string,
  { size, ...options }: CopyFromOptions,
): Promise<CopiedObject> {
  const target = new UploadTarget(calls, key, options, options.signal)
  const call = callOf(target)
  const copyId = await begin(target, source, size)
  if (copyId !== undefined) await finishCopy(calls, target.blob, copyId, call)
  const found = await calls.run(call, abortSignal => target.blob.getProperties({ abortSignal }))
  if (hasHeaders(found, options)) return { etag: found.etag, version: found.versionId }
  return describe(target, found)
}

async function begin(target: UploadTarget, source: CopySource, size: number): Promise<string | undefined> {
  const { calls, blob } = target
  const { metadata, conditions, tier } = target.headers
  const url = `${accountUrl(calls.client)}/${encodeURIComponent(source.bucket)}/${encodeKey(source.key)}`
  try {
    return await calls.run({ ...callOf(target), slow: true }, abortSignal =>
      beginCopy(blob, url, { abortSignal, metadata, conditions, tier }),
    )
  } catch (error) {
    await target.settle(error, size)
    return undefined
  }
}

/** What fails here leaves no copy with the wrong headers. */
async function describe(target: UploadTarget, found: BlobGetPropertiesResponse): Promise<CopiedObject> {
  const { calls, blob } = target
  const conditions = { ifMatch: found.etag }
  try {
    const { etag } = await calls.run(callOf(target), abortSignal =>
      blob.setHTTPHeaders(target.headers.blobHTTPHeaders, { abortSignal, conditions }),
    )
    return { etag, version: found.versionId }
  } catch (error) {
    const call = { operation: 'copyFrom', within: TIDY_TIME }
    await calls.run(call, abortSignal => blob.delete({ abortSignal, conditions })).catch(() => {})
    throw error
  }
}

function callOf({ key, signal }: UploadTarget) {
  return { operation: 'copyFrom', key, signal }
}

function hasHeaders(
  found: BlobGetPropertiesResponse,
  { contentType, contentDisposition, cacheControl }: Omit<CopyFromOptions, 'size'>,
): boolean {
  return (
    found.contentType === contentType &&
    (found.contentDisposition || undefined) === contentDisposition &&
    (found.cacheControl || undefined) === cacheControl &&
    !found.contentEncoding &&
    !found.contentLanguage
  )
}
