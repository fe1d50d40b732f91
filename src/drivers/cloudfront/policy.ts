import { StorageError } from '../../core/errors.js'

/** Names that CloudFront reads for itself ("Create a signed URL using a canned policy", its Developer Guide). */
const RESERVED = /[?&](?:Expires|Policy|Signature|Key-Pair-Id|Hash-Algorithm)(?:[=&]|$)/

/** An address as it goes over the wire (RFC 3986): what it cannot hold is percent-encoded already. */
const WIRE_URL =
  /^https?:\/\/[A-Za-z0-9.-]+(?::\d+)?\/(?:[\w.~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})+(?:\?(?:[\w.~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?$/

/** One file, or all below a path. */
const RESOURCE = /^https?:\/\/[^/*?#\s]+\/(?:[^*?#\s]*\/)?(?:\*|[^/*?#\s]+)$/

/**
 * What is signed for one address.
 *
 * A canned policy is the same text as a custom one, and in a custom policy `*` stands for anything. So whoever has an
 * address with a `*` could hand its signature in as a custom policy that opens other files: it must be encoded.
 *
 * @throws ERR_CONFIG
 */
export function addressOf(url: string): string {
  if (!WIRE_URL.test(url))
    throw new StorageError('ERR_CONFIG', 'CloudFront signs whole https: addresses, percent-encoded.')
  if (RESERVED.test(url))
    throw new StorageError('ERR_CONFIG', 'The address has a parameter of the names that CloudFront adds.')
  return url.replaceAll('*', '%2A')
}

/** @throws ERR_CONFIG for a pattern that is wider than one path: `…/acme*` would open `acme-corp` too */
export function assertResource(resource: string): void {
  if (RESOURCE.test(resource) && !/\/\.{1,2}\//.test(resource)) return
  throw new StorageError('ERR_CONFIG', 'resource is the address of one file, or ends with "/*".')
}

/**
 * The text of a policy: canned, or custom with nothing but an end.
 *
 * @param expires in seconds since 1970
 * @throws ERR_CONFIG for a moment that is none
 */
export function policyOf(resource: string, expires: number): string {
  if (!Number.isSafeInteger(expires) || expires < 1)
    throw new StorageError('ERR_CONFIG', 'expires is a whole number of seconds since 1970.')
  const Condition = { DateLessThan: { 'AWS:EpochTime': expires } }
  return JSON.stringify({ Statement: [{ Resource: resource, Condition }] })
}
