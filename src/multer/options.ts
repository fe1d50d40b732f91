import type { Request } from 'express'
import { StorageError } from '../core/errors.js'
import { assertKnownOptions } from '../core/known-options.js'
import type { UploadProgress } from '../upload/progress.js'

/** How the engine treats the requests around its files. */
export interface TenantStorageOptions {
  /**
   * Which files of a request are removed after an answer of 400 or above. `unclaimed`: those that no row has claimed;
   * without a ledger nobody can tell, and all stay. `all`: without a ledger too, where such an answer means that the
   * handler kept nothing. `none`. Files that a row has claimed stay in any case. Default: `unclaimed`.
   */
  discard?: 'unclaimed' | 'all' | 'none'
  /**
   * Told how far each file is, as the event `progress` is, with its request. It runs as the tenant of the request; one
   * that throws ends the upload.
   */
  onProgress?: (progress: UploadProgress, req: Request) => void
}

/** @throws ERR_CONFIG */
export function resolveOptions(
  options: TenantStorageOptions,
): Required<Pick<TenantStorageOptions, 'discard'>> & TenantStorageOptions {
  assertKnownOptions('tenantStorage()', options, { discard: 'known', onProgress: 'known' })
  const { discard = 'unclaimed' } = options
  if (!['unclaimed', 'all', 'none'].includes(discard))
    throw new StorageError('ERR_CONFIG', 'discard is "unclaimed", "all" or "none".')
  if (options.onProgress !== undefined && typeof options.onProgress !== 'function')
    throw new StorageError('ERR_CONFIG', 'onProgress is a function.')
  return { ...options, discard }
}
