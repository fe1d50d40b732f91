import type { Request } from 'express'
import { StorageError } from '../core/errors.js'
import { assertKnownOptions } from '../core/known-options.js'

/** Finds the tenant's id in a request; undefined, null and the empty text mean that there is none. */
export type TenantResolver = (req: Request) => string | null | undefined | Promise<string | null | undefined>

// How tenant() recognises that any client can choose the id.
const headerResolvers = new WeakSet<TenantResolver>()

/** How {@link fromSubdomain} reads the host. */
export interface SubdomainOptions {
  /** The application's own domain: the tenant is the one label in front of it. Default: Express's `req.subdomains`. */
  domain?: string
}

/**
 * The tenant is the subdomain: `acme` for `acme.example.com`. Host names do not care for case (RFC 4343), so the
 * id is lower case. Behind a proxy, set Express's `trust proxy`.
 *
 * @throws ERR_CONFIG for a `domain` with a scheme, a port or a path: no host would ever end with it
 */
export function fromSubdomain(options: SubdomainOptions = {}): TenantResolver {
  assertKnownOptions('fromSubdomain()', options, { domain: 'known' })
  const { domain } = options
  if (domain !== undefined && !isHostName(domain)) {
    throw new StorageError(
      'ERR_CONFIG',
      `domain is a host name alone, for example "example.com"; got ${JSON.stringify(domain)}.`,
    )
  }
  const suffix = domain === undefined ? undefined : `.${domain.toLowerCase()}`
  return req => {
    const host = req.hostname?.toLowerCase() ?? ''
    if (suffix === undefined)
      return req.subdomains.length === 1 ? req.subdomains[0]?.toLowerCase() : undefined
    // Of `a.b.example.com` the whole `a.b` is given, which is no valid id: nobody slips in below a tenant.
    return host.endsWith(suffix) ? host.slice(0, -suffix.length) : undefined
  }
}

const isHostName = (domain: unknown) => typeof domain === 'string' && /^[^\s.:/]+(\.[^\s.:/]+)*$/.test(domain)

/** The tenant is the value of a request header. Any client can send any header: combine it with `verify`. */
export function fromHeader(name: string): TenantResolver {
  const resolver: TenantResolver = req => req.get(name)
  headerResolvers.add(resolver)
  return resolver
}

/** The tenant is what a function of yours says, for example from the session or a verified token. */
export function fromRequest(resolve: TenantResolver): TenantResolver {
  return req => resolve(req)
}

/** What {@link fromClsHooked} needs of a cls-hooked namespace. */
export interface ClsNamespace {
  get(key: string): unknown
}

/** The tenant lies in a cls-hooked namespace, for applications that keep it there. Mount tenant() inside of its run. */
export function fromClsHooked(namespace: ClsNamespace, key: string): TenantResolver {
  return () => {
    const id = namespace.get(key)
    if (id === undefined || id === null || typeof id === 'string') return id
    throw new StorageError('ERR_TENANT_INVALID', `The namespace holds no text under "${key}".`)
  }
}

/** Whether {@link fromHeader} made this resolver. */
export function isHeaderResolver(resolver: TenantResolver): boolean {
  return headerResolvers.has(resolver)
}
