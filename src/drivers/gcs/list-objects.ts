import type { ObjectEntry, OperationOptions } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import type { GcsCalls } from './gcs-calls.js'
import type { ObjectResource } from './resource.js'

interface Page {
  items?: ObjectResource[]
  nextPageToken?: string
}

const PAGE_SIZE = 1_000

/**
 * Lists page by page. Cloud Storage sorts "lexicographically" by the UTF-8 bytes of the names ("Objects: list",
 * Cloud Storage JSON API; "Listing objects", Cloud Storage documentation).
 */
export async function* listObjects(
  calls: GcsCalls,
  prefix: string,
  { signal }: OperationOptions,
): AsyncGenerator<ObjectEntry> {
  let pageToken: string | undefined
  do {
    const url = calls.objectUrl(undefined, {
      prefix,
      maxResults: String(PAGE_SIZE),
      fields: 'nextPageToken,items(name,size,updated)',
      ...(pageToken === undefined ? {} : { pageToken }),
    })
    const page = await calls.json<Page>({ operation: 'list', signal }, { method: 'GET', url })
    for (const { name, size, updated } of page.items ?? []) {
      if (name !== undefined)
        yield { key: name, size: Number(size ?? 0), lastModified: new Date(updated ?? 0) }
    }
    pageToken = nextToken(page, pageToken)
  } while (pageToken !== undefined)
}

/** A server that repeats itself must not keep us for ever. */
function nextToken({ nextPageToken }: Page, last: string | undefined): string | undefined {
  if (nextPageToken === undefined || nextPageToken === '') return undefined
  if (nextPageToken !== last) return nextPageToken
  throw new StorageError('ERR_BACKEND', 'The storage gives the same page of the listing again and again.', {
    operation: 'list',
  })
}
