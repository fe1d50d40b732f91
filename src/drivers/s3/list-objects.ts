import { ListObjectsV2Command, type ListObjectsV2CommandOutput } from '@aws-sdk/client-s3'
import type { ObjectEntry, OperationOptions } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import type { S3Calls } from './s3-calls.js'

/**
 * Lists page by page, 1,000 keys at a time. S3 sorts by the bytes of the keys' UTF-8 ("ListObjectsV2", Amazon S3
 * API Reference: general purpose buckets; directory buckets are not sorted and not supported).
 */
export async function* listObjects(
  calls: S3Calls,
  prefix: string,
  { signal }: OperationOptions,
): AsyncGenerator<ObjectEntry> {
  let token: string | undefined
  do {
    const page = await readPage(calls, prefix, token, signal)
    for (const { Key, Size, LastModified } of page.Contents ?? []) {
      if (Key === undefined) continue
      const key = page.EncodingType === 'url' ? decodeKey(Key) : Key
      yield { key, size: Size ?? 0, lastModified: LastModified ?? new Date(0) }
    }
    token = nextToken(page, token)
  } while (token !== undefined)
}

function readPage(
  calls: S3Calls,
  prefix: string,
  token: string | undefined,
  signal: AbortSignal | undefined,
): Promise<ListObjectsV2CommandOutput> {
  // Not every key can be written in XML 1.0; url encoding carries them all.
  const command = new ListObjectsV2Command({
    Bucket: calls.bucket,
    Prefix: prefix,
    EncodingType: 'url',
    ...(token === undefined ? {} : { ContinuationToken: token }),
  })
  return calls.run({ operation: 'list', signal }, http => calls.client.send(command, http))
}

/** A server that repeats itself must not keep us for ever. */
function nextToken(page: ListObjectsV2CommandOutput, last: string | undefined): string | undefined {
  if (!page.IsTruncated) return undefined
  const next = page.NextContinuationToken
  if (next !== undefined && next !== '' && next !== last) return next
  throw new StorageError('ERR_BACKEND', 'The storage cut the listing short without saying how to go on.', {
    operation: 'list',
  })
}

/** AWS writes a space as `+` and a plus as `%2B`; Ceph writes `%20` and `%2B`. Both are form encoding. */
function decodeKey(encoded: string): string {
  return decodeURIComponent(encoded.replaceAll('+', '%20'))
}
