import type { BucketAddress } from './bucket-address.js'
import { isAws } from './options.js'
import type { SigningCredentials } from './url-signer.js'

/**
 * What two buckets must have in common for one to be copied from by the other. On AWS that is the region: names of
 * buckets are unique there, and who may read one is the bucket's answer. Elsewhere it is also the access key, since a
 * name may mean another bucket to another account, as in the tenants of Ceph. Undefined for access points, S3 Express
 * and multi-region access points, whose copies have rules of their own.
 */
export function copyRealm(
  address: BucketAddress,
  bucket: string,
  { accessKeyId }: Pick<SigningCredentials, 'accessKeyId'>,
): string | undefined {
  const { region, origin, authScheme } = address
  if (authScheme !== 'sigv4' || bucket.includes(':')) return undefined
  if (isAws(new URL(origin))) return `aws ${region}`
  return `s3 ${serviceOf(address, bucket)} ${region} ${accessKeyId}`
}

/** The address without the bucket, which is at the end of the path or at the start of the host. */
function serviceOf({ origin, host, pathPrefix }: BucketAddress, bucket: string): string {
  const inPath = `/${encodeURIComponent(bucket)}/`
  if (pathPrefix.endsWith(inPath)) return origin + pathPrefix.slice(0, 1 - inPath.length)
  const service = host.startsWith(`${bucket}.`) ? host.slice(bucket.length + 1) : host
  return origin.slice(0, -host.length) + service + pathPrefix
}
