import type { BackendCall } from '../../core/backend-calls.js'
import { StorageError } from '../../core/errors.js'
import type { GcsCalls } from './gcs-calls.js'
import { encodeUri } from './uri.js'

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
): Promise<void> {
  const target = `${calls.objectUrl(call.key)}/rewriteTo/b/${calls.bucket}/o/${encodeUri(to)}`
  let token: string | undefined
  let copied = ''
  for (;;) {
    const url = `${target}?${token === undefined ? '' : `rewriteToken=${encodeUri(token)}&`}fields=done,rewriteToken,totalBytesRewritten`
    const answer = await calls.json<RewriteAnswer>({ ...call, slow: true }, { method: 'POST', url, body: [] })
    if (answer.done) return
    if (answer.rewriteToken === undefined || answer.totalBytesRewritten === copied) throw stuck(call.key)
    token = answer.rewriteToken
    copied = answer.totalBytesRewritten ?? copied
  }
}

/** A server that makes no progress must not keep us for ever. */
function stuck(key: string): StorageError {
  return new StorageError('ERR_BACKEND', 'The storage stopped in the middle of a copy.', {
    operation: 'copy',
    key,
  })
}
