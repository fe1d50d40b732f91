import { StorageError } from '../core/errors.js'
import { assertKnownOptions } from '../core/known-options.js'

/** How the engine treats the requests around its files. */
export interface TenantStorageOptions {
  /**
   * Which files of a request are removed after an answer of 400 or above. `unclaimed`: those that no row has claimed;
   * without a ledger nobody can tell, and all stay. `all`: without a ledger too, where such an answer means that the
   * handler kept nothing. `none`. Files that a row has claimed stay in any case. Default: `unclaimed`.
   */
  discard?: 'unclaimed' | 'all' | 'none'
}

/** @throws ERR_CONFIG */
export function resolveOptions(
  options: TenantStorageOptions,
): Required<Pick<TenantStorageOptions, 'discard'>> & TenantStorageOptions {
  assertKnownOptions('tenantStorage()', options, { discard: 'known' })
  const { discard = 'unclaimed' } = options
  if (!['unclaimed', 'all', 'none'].includes(discard))
    throw new StorageError('ERR_CONFIG', 'discard is "unclaimed", "all" or "none".')
  return { ...options, discard }
}
