import type { ContainerListBlobFlatSegmentResponse } from '@azure/storage-blob'
import type { ObjectEntry, OperationOptions } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import type { AzureCalls } from './azure-calls.js'

/** Lists page by page, up to 5,000 blobs at a time, in the order in which Azure has them. */
export async function* listBlobs(
  calls: AzureCalls,
  prefix: string,
  { signal }: OperationOptions,
): AsyncGenerator<ObjectEntry> {
  let marker: string | undefined
  do {
    const page = await readPage(calls, prefix, marker, signal)
    for (const { name, properties } of page.segment.blobItems) {
      yield { key: name, size: properties.contentLength ?? 0, lastModified: properties.lastModified }
    }
    marker = nextMarker(page, marker)
  } while (marker !== undefined)
}

function readPage(
  calls: AzureCalls,
  prefix: string,
  marker: string | undefined,
  signal: AbortSignal | undefined,
): Promise<ContainerListBlobFlatSegmentResponse> {
  return calls.run({ operation: 'list', signal }, async abortSignal => {
    const listing = calls.client.listBlobsFlat({ abortSignal, ...(prefix === '' ? {} : { prefix }) })
    const pages = listing.byPage(marker === undefined ? {} : { continuationToken: marker })
    const { value, done } = await pages.next()
    if (!done) return value
    throw new StorageError('ERR_BACKEND', 'The storage answered a listing with nothing.', {
      operation: 'list',
    })
  })
}

/** A server that repeats itself must not keep us for ever. */
function nextMarker(
  { continuationToken }: ContainerListBlobFlatSegmentResponse,
  last: string | undefined,
): string | undefined {
  if (!continuationToken) return undefined
  if (continuationToken !== last) return continuationToken
  throw new StorageError('ERR_BACKEND', 'The storage cut the listing short without saying how to go on.', {
    operation: 'list',
  })
}
