import type { Storage } from '../../core/storage.js'
import { orBusy } from '../ledger-busy.js'
import { assertStorage, openLedgers, type ReapReport, reapRound } from './reap-round.js'
import { type ReapOnceOptions, resolveReapOnceOptions } from './reaper-options.js'

/**
 * Deletes what is due now, in all ledgers of a storage whose DataSources are initialized: for a job of your own instead of
 * {@link startReaper}, and for tests. Each ledger is the event `reaper`.
 *
 * @throws ERR_CONFIG for options that make no sense, and the first error of a ledger, when all have had their turn. A
 *   file that cannot be deleted is no error: it is counted, and tried again later
 * @example
 * const { deleted } = await reapOnce(storage)
 */
export async function reapOnce(storage: Storage, options: ReapOnceOptions = {}): Promise<ReapReport> {
  assertStorage(storage)
  const never = new AbortController().signal
  const end = { soon: options.signal ?? never, now: never }
  const report = await reapRound(storage, resolveReapOnceOptions(options), end)
  const [error] = report.errors
  if (error !== undefined) throw error
  return report
}

/**
 * Tries dead lines again, in all ledgers of a storage: files that could not be deleted so often that the reaper gave up.
 *
 * @returns how many there are; the next round of a reaper works on them
 * @throws ERR_LEDGER_BUSY, ERR_CONFIG when the ledger's table is missing
 */
export async function retryDead(storage: Storage): Promise<number> {
  assertStorage(storage)
  let count = 0
  for (const { ledger } of openLedgers(storage)) count += await orBusy(ledger.reaper.retryDead())
  return count
}
