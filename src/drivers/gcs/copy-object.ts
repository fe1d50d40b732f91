import type { BackendCall } from '../../core/backend-calls.js'
import type { CopiedObject, CopyFromOptions, CopySource, KeepOptions } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { encodeUri } from '../../core/uri.js'
import type { GcsCalls, GcsRequest } from './gcs-calls.js'
import { readResource } from './get-object.js'
import { type ObjectResource, quoted } from './resource.js'
import { UploadTarget } from './upload-target.js'

interface RewriteAnswer {
  done?: boolean
  rewriteToken?: string
  totalBytesRewritten?: string
  resource?: ObjectResource
}

/** Copies inside of the bucket, with content type and metadata. */
export async function copyObject(
  calls: GcsCalls,
  to: string,
  call: BackendCall & { key: string },
  { storageClass, encryption }: KeepOptions,
): Promise<void> {
  const kmsKey: Record<string, string> =
    encryption?.keyId === undefined ? {} : { destinationKmsKeyName: encryption.keyId }
  const resource = storageClass === undefined ? undefined : await describedAs(storageClass, calls, call)
  await rewrite(calls, call, { from: calls.objectUrl(call.key), to, query: kmsKey, resource })
}

/** Copies an object of another bucket, and describes it anew. */
export async function copyFromBucket(
  calls: GcsCalls,
  source: CopySource,
  key: string,
  { size, ...options }: CopyFromOptions,
): Promise<CopiedObject> {
  const target = new UploadTarget(calls, key, options)
  const { ifGenerationMatch, kmsKeyName } = target.query
  const query = {
    ...(ifGenerationMatch === undefined ? {} : { ifGenerationMatch }),
    ...(kmsKeyName === undefined ? {} : { destinationKmsKeyName: kmsKeyName }),
  }
  const from = calls.objectUrl(source.key, {}, source.bucket)
  try {
    const call = { ...target.call, operation: 'copyFrom' }
    const { etag } = await rewrite(calls, call, { from, to: key, query, resource: target.resource })
    return etag === undefined ? {} : { etag: quoted(etag) }
  } catch (error) {
    return target.settle(error, size)
  }
}

interface Rewrite {
  /** The address of the source's resource. */
  readonly from: string
  readonly to: string
  readonly query: Record<string, string>
  /** Takes the place of the source's properties. */
  readonly resource: ObjectResource | undefined
}

/**
 * A copy between places or storage classes takes several requests, each of which carries on where the last one
 * stopped ("Objects: rewrite", Cloud Storage JSON API). Whatever is not finished is invisible.
 */
async function rewrite(
  calls: GcsCalls,
  call: BackendCall & { key: string },
  { from, to, query, resource }: Rewrite,
): Promise<ObjectResource> {
  const described = resource === undefined ? { body: [] } : asJson(resource)
  let token: string | undefined
  let copied = ''
  for (;;) {
    const parameters = Object.entries({
      ...query,
      ...(token === undefined ? {} : { rewriteToken: token }),
      fields: 'done,rewriteToken,totalBytesRewritten,resource(etag)',
    }).map(([name, value]) => `${name}=${encodeUri(value)}`)
    const url = `${from}/rewriteTo/b/${calls.bucket}/o/${encodeUri(to)}?${parameters.join('&')}`
    const answer = await calls.json<RewriteAnswer>(
      { ...call, slow: true },
      { method: 'POST', url, ...described },
    )
    if (answer.done) return answer.resource ?? {}
    if (answer.rewriteToken === undefined || answer.totalBytesRewritten === copied) throw stuck(call)
    token = answer.rewriteToken
    copied = answer.totalBytesRewritten ?? copied
  }
}

/** A rewrite that names a class takes no property from its source, so they all are said again. */
async function describedAs(
  storageClass: string,
  calls: GcsCalls,
  call: BackendCall & { key: string },
): Promise<ObjectResource> {
  const { contentType, contentDisposition, cacheControl, metadata } = await readResource(calls, call)
  return { contentType, contentDisposition, cacheControl, metadata, storageClass }
}

function asJson(resource: ObjectResource): Pick<GcsRequest, 'headers' | 'body'> {
  return {
    headers: { 'Content-Type': 'application/json; charset=UTF-8' },
    body: [Buffer.from(JSON.stringify(resource))],
  }
}

/** A server that makes no progress must not keep us for ever. */
function stuck({ operation, key }: BackendCall): StorageError {
  return new StorageError('ERR_BACKEND', 'The storage stopped in the middle of a copy.', { operation, key })
}
