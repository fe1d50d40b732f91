import { StorageError } from '../../core/errors.js'
import { assertKnownOptions } from '../../core/known-options.js'
import { tryGetTenant } from '../../core/tenant.js'
import { bindingOf } from '../files-binding.js'
import { Candidates } from './candidates.js'
import { compare } from './compare.js'
import { ReconcileContext } from './context.js'
import { findOpenUploads } from './open-uploads.js'
import { RECONCILE_OPTIONS, type ReconcileOptions } from './options.js'
import { readRows } from './read-rows.js'
import type { ReconcileReport } from './report.js'
import { SortedRows } from './sorted-rows.js'
import { verify } from './verify.js'

/** In milliseconds, beyond the lease: for clocks that differ, and saves that take their time. */
const MARGIN = 300_000

/**
 * Compares the rows of a DataSource, its ledger and the listing of its backends, while the application works. What
 * looks wrong is looked at again before it is said, so that uploads, saves and deletions under way are no findings. It
 * takes little memory, however many files there are: rows are sorted in a temporary folder.
 *
 * @throws ERR_CONFIG, ERR_TENANT_MISMATCH, ERR_LEDGER_NOT_READY, ERR_BACKEND_UNKNOWN, ERR_UPLOAD_ABORTED for the signal,
 *   and what database and backends throw
 * @example
 * const report = await reconcile({ dataSource, fix: 'attach' })
 * console.log(formatReport(report))
 */
export async function reconcile(options: ReconcileOptions): Promise<ReconcileReport> {
  assertKnownOptions('reconcile()', options, RECONCILE_OPTIONS) // a misspelt tenant would be all of them
  const current = tryGetTenant()
  if (current !== undefined && current !== options.tenant)
    throw new StorageError(
      'ERR_TENANT_MISMATCH',
      'reconcile() looks at the files of all tenants. Name the tenant, or run it outside of any.',
    )
  assertChoices(options)
  const binding = bindingOf(options.dataSource).open()
  const context = new ReconcileContext(binding, options)
  const rows = new SortedRows(binding.storage, context.tables)
  const candidates = new Candidates()
  try {
    const standards = await context.standards(graceOf(options, binding.lease))
    await readRows(context, rows)
    await compare(context, standards, rows, candidates)
    await rows.close()
    await verify(context, standards, candidates)
    if (standards.allRows) await findOpenUploads(context)
    return context.report.report(options.fix ?? 'report')
  } finally {
    await Promise.all([rows.close(), candidates.close()])
  }
}

/** @throws ERR_CONFIG */
function assertChoices({ check = 'sizes', fix = 'report', maxFindings = 0 }: ReconcileOptions): void {
  if (!['sizes', 'bytes'].includes(check))
    throw new StorageError('ERR_CONFIG', 'check is "sizes" or "bytes".')
  if (!['report', 'attach', 'all'].includes(fix))
    throw new StorageError('ERR_CONFIG', 'fix is "report", "attach" or "all".')
  if (!Number.isSafeInteger(maxFindings) || maxFindings < 0)
    throw new StorageError('ERR_CONFIG', 'maxFindings is a whole number, 0 or more.')
}

/** @returns milliseconds. @throws ERR_CONFIG */
function graceOf({ grace }: ReconcileOptions, lease: number): number {
  if (grace === undefined) return lease + MARGIN
  if (Number.isFinite(grace) && grace >= 0) return grace * 1000
  throw new StorageError('ERR_CONFIG', `grace is a number of seconds; got ${grace}.`)
}
