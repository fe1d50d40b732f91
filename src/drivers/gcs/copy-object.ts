import type { BackendCall } from '../../core/backend-calls.js'
import type { KeepOptions } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { encodeUri } from '../../core/uri.js'
import type { GcsCalls, GcsRequest } from './gcs-calls.js'
import { readResource } from './get-object.js'

interface RewriteAnswer {
  done?: boolean
  rewriteToken?: string
  totalBytesRewritten?: string
}

/**
 * Copies inside of the bucket, with content type and metadata. A copy between places or storage classes takes
 * several requests, each of which carries on where the last one stopped ("Objects: rewrite", Cloud Storage JSON
 * API). Whatever is not finished is invisible.
 */
export async function copyObject(
  calls: GcsCalls,
  to: string,
  call: BackendCall & { key: string },
  { storageClass, encryption }: KeepOptions,
): Promise<void> {
  const target = `${calls.objectUrl(call.key)}/rewriteTo/b/${calls.bucket}/o/${encodeUri(to)}`
  const key = encryption?.keyId === undefined ? '' : `destinationKmsKeyName=${encodeUri(encryption.keyId)}&`
  const resource = storageClass === undefined ? { body: [] } : await describedAs(storageClass, calls, call)
  let token: string | undefined
  let copied = ''
  for (;;) {
    const url = `${target}?${key}${token === undefined ? '' : `rewriteToken=${encodeUri(token)}&`}fields=done,rewriteToken,totalBytesRewritten`
    const answer = await calls.json<RewriteAnswer>(
      { ...call, slow: true },
      { method: 'POST', url, ...resource },
    )
    if (answer.done) return
    if (answer.rewriteToken === undefined || answer.totalBytesRewritten === copied) throw stuck(call.key)
    token = answer.rewriteToken
    copied = answer.totalBytesRewritten ?? copied
  }
}

/** A rewrite that names a class takes no property from its source, so they all are said again. */
async function describedAs(
  storageClass: string,
  calls: GcsCalls,
  call: BackendCall & { key: string },
): Promise<Pick<GcsRequest, 'headers' | 'body'>> {
  const { contentType, contentDisposition, cacheControl, metadata } = await readResource(calls, call)
  const resource = { contentType, contentDisposition, cacheControl, metadata, storageClass }
  return {
    headers: { 'Content-Type': 'application/json; charset=UTF-8' },
    body: [Buffer.from(JSON.stringify(resource))],
  }
}

/** A server that makes no progress must not keep us for ever. */
function stuck(key: string): StorageError {
  return new StorageError('ERR_BACKEND', 'The storage stopped in the middle of a copy.', {
    operation: 'copy',
    key,
  })
}
