import { StorageError } from '../../core/errors.js'

/**
 * The origin of a CDN endpoint, given as a host or as a URL.
 *
 * @returns `https://host`, without a slash at the end
 * @throws ERR_CONFIG for what has a path, a query or another scheme: it would get lost when hosts are swapped
 */
export function cdnOrigin(endpoint: string): string {
  const address = endpoint.includes('://') ? endpoint : `https://${endpoint}`
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url?.protocol === 'https:' && url.href === `${url.origin}/`) return url.origin
  throw new StorageError(
    'ERR_CONFIG',
    'The CDN endpoint of Spaces must be a host alone, for example "acme-files.nyc3.cdn.digitaloceanspaces.com".',
  )
}
