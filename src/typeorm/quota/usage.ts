import type { DataSource } from 'typeorm'
import { StorageError } from '../../core/errors.js'
import { assertTenantId } from '../../core/key.js'
import { getTenant, tryGetTenant } from '../../core/tenant.js'
import { bindingOf } from '../files-binding.js'
import type { LedgerState } from '../ledger-table.js'
import { assertOutsideOfTenants } from './outside-of-tenants.js'
import { UsageStatements } from './usage-statements.js'

/** Files of one disk in one state. */
export interface UsagePart {
  readonly disk: string
  readonly state: LedgerState
  readonly files: number
  /** For uploads under way, what is set aside for them. */
  readonly bytes: number
}

/** What a tenant has, by the ledger. All in bytes, but for `files`. */
export interface TenantUsage {
  readonly tenant: string
  /** Everything whose bytes the tenant's quota counts: files of rows, uploads under way. */
  readonly used: number
  /** Null where the tenant has none. */
  readonly quota: number | null
  /** What may still be stored; null without a quota. */
  readonly left: number | null
  /** All of it by disk and state, also what the quota does not count: what is about to be deleted. */
  readonly parts: readonly UsagePart[]
}

/**
 * What a tenant stores, as the ledger knows it: no listing, no call of a backend. Files that never passed through
 * the ledger (put there by hand, before `withFiles`, on the disk `static`) are not in it.
 *
 * @param tenant default: the current one. Whoever runs for one tenant learns nothing of another
 * @throws ERR_TENANT_REQUIRED, ERR_TENANT_INVALID, ERR_TENANT_MISMATCH, ERR_CONFIG for a DataSource that was not given
 *   to `withFiles`, ERR_LEDGER_NOT_READY, ERR_LEDGER_BUSY, ERR_QUOTA_UNKNOWN
 * @example
 * const { used, left } = await usage(dataSource, 'acme')
 */
export async function usage(dataSource: DataSource, tenant: string = getTenant()): Promise<TenantUsage> {
  assertTenantId(tenant)
  const current = tryGetTenant()
  if (current !== undefined && current !== tenant)
    throw new StorageError('ERR_TENANT_MISMATCH', 'There is no such tenant.')
  const { sql, ledger, quota } = bindingOf(dataSource).open()
  const statements = new UsageStatements(sql)
  const [limit, [total], parts] = await Promise.all([
    quota?.limitOf(tenant),
    ledger.read(statements.used(tenant)),
    ledger.read(statements.parts(tenant)),
  ])
  const used = Number(total?.used)
  return {
    tenant,
    used,
    quota: limit ?? null,
    left: limit === undefined ? null : Math.max(limit - used, 0),
    parts: parts.map(row => ({
      disk: String(row.disk),
      state: String(row.state) as LedgerState,
      files: Number(row.files),
      bytes: Number(row.bytes),
    })),
  }
}

/**
 * The tenants that the ledger knows files of, in order; not those whose files are gone.
 *
 * @throws ERR_TENANT_MISMATCH for whoever runs for one tenant, ERR_CONFIG for a DataSource that was not given to
 *   `withFiles`, ERR_LEDGER_NOT_READY, ERR_LEDGER_BUSY
 */
export async function knownTenants(dataSource: DataSource): Promise<string[]> {
  assertOutsideOfTenants('knownTenants()')
  const { sql, ledger } = bindingOf(dataSource).open()
  const rows = await ledger.read(new UsageStatements(sql).tenants())
  return rows.map(({ tenant }) => String(tenant))
}
