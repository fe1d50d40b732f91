import type { Request } from 'express'
import { StorageError } from '../core/errors.js'
import { boundTenant, runWithTenant } from '../core/tenant.js'

/**
 * Never the ambient tenant: Multer calls from socket events, where AsyncLocalStorage may be empty, or another
 * request's.
 *
 * @throws ERR_TENANT_REQUIRED
 */
export function tenantOf(req: Request): string {
  const tenant = boundTenant(req)
  if (tenant !== undefined) return tenant
  throw new StorageError(
    'ERR_TENANT_REQUIRED',
    'This request has no tenant. Mount tenant() before the upload.',
  )
}

/** The callback, called as the request's tenant; where there is none, as it is: it is told of an error then. */
export function inTenantOf<Args extends unknown[]>(
  req: Request,
  callback: (...args: Args) => void,
): (...args: Args) => void {
  const tenant = boundTenant(req)
  return (...args) =>
    tenant === undefined ? callback(...args) : runWithTenant(tenant, () => callback(...args))
}
