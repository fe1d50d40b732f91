import { StorageError } from '../../core/errors.js'
import { tryGetTenant } from '../../core/tenant.js'

/** What tells of all tenants is not for code that runs for one. @throws ERR_TENANT_MISMATCH */
export function assertOutsideOfTenants(what: string): void {
  if (tryGetTenant() === undefined) return
  throw new StorageError(
    'ERR_TENANT_MISMATCH',
    `${what} tells of the files of all tenants. Run it outside of any.`,
  )
}
