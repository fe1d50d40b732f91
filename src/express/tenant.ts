import type { Request, RequestHandler } from 'express'
import { StorageError } from '../core/errors.js'
import { assertTenantId } from '../core/key.js'
import { assertKnownOptions } from '../core/known-options.js'
import { bindTenant, runWithTenant } from '../core/tenant.js'
import { warn } from '../core/warn.js'
import { isHeaderResolver, type TenantResolver } from './resolvers.js'

const NO_TENANT = 'This request names no tenant.'

/** How {@link tenant} finds the tenant. */
export interface TenantOptions {
  resolve: TenantResolver
  /** Whether this caller may act for this tenant, for example by the signed-in user's memberships. */
  verify?: (req: Request, id: string) => boolean | Promise<boolean>
}

/**
 * Finds the tenant of each request and holds on to it for everything that follows, also where the body arrives
 * late and AsyncLocalStorage is lost.
 *
 * A request without a tenant goes no further: ERR_TENANT_REQUIRED (400), ERR_TENANT_INVALID (400) or
 * ERR_TENANT_FORBIDDEN (403) goes to the error handler. Mount it only above what belongs to tenants.
 *
 * @throws ERR_CONFIG without `resolve`, and for an option that does not exist: a misspelt `verify` would let all in
 *
 * @example
 * app.use(tenant({ resolve: fromSubdomain(), verify: (req, id) => req.user.tenants.includes(id) }))
 */
export function tenant(options: TenantOptions): RequestHandler {
  assertKnownOptions('tenant()', options, { resolve: 'known', verify: 'known' })
  const { resolve, verify } = options
  if (typeof resolve !== 'function') {
    throw new StorageError('ERR_CONFIG', 'tenant() needs resolve, for example fromSubdomain().')
  }
  if (verify === undefined && isHeaderResolver(resolve)) {
    warn(
      'TENANT_HEADER_UNVERIFIED',
      'tenant() trusts a request header without verify: any client can choose any tenant.',
    )
  }
  const identify = async (req: Request): Promise<string> => {
    const id = await resolve(req)
    if (id === undefined || id === null || id === '') {
      throw new StorageError('ERR_TENANT_REQUIRED', NO_TENANT)
    }
    assertTenantId(id)
    if (verify === undefined || (await verify(req, id)) === true) return id
    throw new StorageError('ERR_TENANT_FORBIDDEN', 'You may not act for this tenant.')
  }
  return function tenant(req, _res, next) {
    identify(req).then(
      id => {
        bindTenant(req, id)
        runWithTenant(id, next)
      },
      // To Express, nothing and the text "route" are no errors, and the request would go on without a tenant.
      cause =>
        next(
          typeof cause === 'object' && cause !== null
            ? cause
            : new StorageError('ERR_TENANT_REQUIRED', NO_TENANT, { cause }),
        ),
    )
  }
}
