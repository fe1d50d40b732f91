import { AsyncLocalStorage } from 'node:async_hooks'
import { StorageError } from './errors.js'
import { publish } from './events.js'
import { assertTenantId } from './key.js'

type Scope = { readonly tenant: string } | { readonly system: string }

const scopes = new AsyncLocalStorage<Scope>()

// Multer calls its engine from socket events, where AsyncLocalStorage of the request is lost. So the tenant is
// also tied to the request object itself, weakly, and every later step reads it from there.
const requestTenants = new WeakMap<object, string>()

/**
 * Runs `fn` as one tenant: whatever it awaits or starts belongs to that tenant.
 *
 * @throws ERR_TENANT_INVALID before `fn` is called
 * @example
 * await runWithTenant('acme', () => storeFile(storage, pdf, rules, { name: 'invoice.pdf' }))
 */
export function runWithTenant<T>(tenant: string, fn: () => T): T {
  assertTenantId(tenant)
  return scopes.run({ tenant }, fn)
}

/**
 * The current tenant.
 *
 * @throws ERR_TENANT_REQUIRED outside of any tenant, also under {@link runAsSystem}
 */
export function getTenant(): string {
  const tenant = tryGetTenant()
  if (tenant !== undefined) return tenant
  throw new StorageError(
    'ERR_TENANT_REQUIRED',
    'There is no current tenant. Mount tenant() before this route, or wrap the call in runWithTenant(id, fn).',
  )
}

/** The current tenant, or undefined where there is none. */
export function tryGetTenant(): string | undefined {
  const scope = scopes.getStore()
  return scope !== undefined && 'tenant' in scope ? scope.tenant : undefined
}

/**
 * Runs `fn` outside of any tenant, for administration: the only way to reach files of several tenants, or to
 * write shared ones. Publishes the event `system`.
 *
 * @param reason why; it goes to the audit trail
 */
export function runAsSystem<T>(reason: string, fn: () => T): T {
  if (typeof reason !== 'string' || reason.trim() === '') {
    throw new StorageError('ERR_CONFIG', 'runAsSystem needs a reason for the audit trail.')
  }
  publish('system', { reason })
  return scopes.run({ system: reason }, fn)
}

/** Whether the caller runs under {@link runAsSystem}. */
export function isSystem(): boolean {
  const scope = scopes.getStore()
  return scope !== undefined && 'system' in scope
}

/**
 * Ties a tenant to a request object, for code that runs in callbacks of that request.
 *
 * @throws ERR_TENANT_INVALID
 */
export function bindTenant(request: object, tenant: string): void {
  assertTenantId(tenant)
  requestTenants.set(request, tenant)
}

/** The tenant that was tied to this request, or undefined. */
export function boundTenant(request: object): string | undefined {
  return requestTenants.get(request)
}
