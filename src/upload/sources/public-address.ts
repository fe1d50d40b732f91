import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * Whether an IP address is one of the public internet. Everything else is somebody's own: loopback, private, link-local
 * with the clouds' metadata services, carrier-grade NAT, and addresses of IPv6 that stand for one of IPv4 (mapped,
 * NAT64, 6to4, Teredo), which lead wherever that one does ("IANA IPv4/IPv6 Special-Purpose Address Registry").
 */
export function isPublicAddress(address: string): boolean {
  // A zone (fe80::1%eth0) belongs to addresses of a link.
  if (isIP(address) === 0 || address.includes('%')) return false
  const parsed = ipaddr.parse(address)
  if (parsed.range() !== 'unicast') return false
  // Global unicast is 2000::/3 (RFC 4291, section 2.4); the rest is not given out.
  return parsed.kind() === 'ipv4' || (parsed.toByteArray()[0] ?? 0) >> 5 === 1
}
