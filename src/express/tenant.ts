import type { Request, RequestHandler } from 'express'
import { StorageError } from '../core/errors.js'
import { assertTenantId } from '../core/key.js'
import { assertKnownOptions } from '../core/known-options.js'
import { bindTenant, runWithTenant } from '../core/tenant.js'
import { isThenable } from '../core/thenable.js'
import { warn } from '../core/warn.js'
import { fromSubdomain, isHeaderResolver, type TenantResolver } from './resolvers.js'

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
  // Without its parentheses it would be called with the request, and give a resolver instead of a tenant.
  if (typeof resolve !== 'function' || (resolve as unknown) === fromSubdomain) {
    throw new StorageError('ERR_CONFIG', 'tenant() needs resolve, for example fromSubdomain().')
  }
  if (verify === undefined && isHeaderResolver(resolve)) {
    warn(
      'TENANT_HEADER_UNVERIFIED',
      'tenant() trusts a request header without verify: any client can choose any tenant.',
    )
  }
  // Resolvers and verifiers that need no waiting are not waited for: while AsyncLocalStorage is in use every promise has
  // hooks (Node 20), and these seven cost more than the rest of this middleware.
  const admit = (req: Request, id: string | null | undefined): string | Promise<string> => {
    if (id === undefined || id === null || id === '') {
      throw new StorageError('ERR_TENANT_REQUIRED', NO_TENANT)
    }
    assertTenantId(id)
    const verdict = verify === undefined || verify(req, id)
    return typeof verdict === 'boolean' ? idIf(verdict, id) : idWhen(verdict, id)
  }
  const identify = (req: Request): string | Promise<string> => {
    const id = resolve(req)
    return isThenable(id) ? Promise.resolve(id).then(found => admit(req, found)) : admit(req, id)
  }
  return function tenant(req, _res, next) {
    const enter = (id: string): void => {
      bindTenant(req, id)
      runWithTenant(id, next)
    }
    // To Express, nothing and the text "route" are no errors, and the request would go on without a tenant.
    const refuse = (cause: unknown): void =>
      next(
        typeof cause === 'object' && cause !== null
          ? cause
          : new StorageError('ERR_TENANT_REQUIRED', NO_TENANT, { cause }),
      )
    let id: string | Promise<string>
    try {
      id = identify(req)
    } catch (cause) {
      refuse(cause)
      return
    }
    if (typeof id === 'string') enter(id)
    else id.then(enter, refuse)
  }
}

/** @throws ERR_TENANT_FORBIDDEN for everything but `true`, whatever a verifier in JavaScript gives */
function idIf(verdict: unknown, id: string): string {
  if (verdict === true) return id
  throw new StorageError('ERR_TENANT_FORBIDDEN', 'You may not act for this tenant.')
}

async function idWhen(verdict: Promise<boolean>, id: string): Promise<string> {
  return idIf(await verdict, id)
}
