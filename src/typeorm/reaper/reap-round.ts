import { StorageError } from '../../core/errors.js'
import { publish } from '../../core/events.js'
import type { Storage } from '../../core/storage.js'
import { DatabaseLedger } from '../ledger.js'
import { orBusy } from '../ledger-busy.js'
import type { Pass, PassEnd, PassOptions } from './ledger-reaper.js'

/** What one round did, all ledgers together. */
export interface ReapReport {
  /** Lines that were taken up. */
  taken: number
  /** Objects that are deleted. */
  deleted: number
  /** Lines whose object could not be deleted now. */
  failed: number
  /** Why the round could not go on in some ledger; the others were worked on all the same. */
  errors: StorageError[]
}

/** The ledgers of a storage whose database is connected. */
export function openLedgers(storage: Storage): { name: string; ledger: DatabaseLedger }[] {
  return storage.ledgers.open.flatMap(({ name, ledger }) =>
    ledger instanceof DatabaseLedger ? [{ name, ledger }] : [],
  )
}

/** @throws ERR_CONFIG for a DataSource or what else is no storage: the reaper would run, and never find anything */
export function assertStorage(storage: Storage): void {
  if ((storage as Partial<Storage> | undefined)?.ledgers !== undefined) return
  throw new StorageError('ERR_CONFIG', 'The reaper takes the storage, as in startReaper(storage).')
}

/** Goes once through all ledgers of a storage, and says of each how it went. Never rejects. */
export async function reapRound(storage: Storage, options: PassOptions, end: PassEnd): Promise<ReapReport> {
  const report: ReapReport = { taken: 0, deleted: 0, failed: 0, errors: [] }
  for (const { name, ledger } of openLedgers(storage)) {
    const limit = options.limit - report.taken
    if (end.soon.aborted || limit <= 0) break
    const pass: Pass = { taken: 0, deleted: 0, failed: 0 }
    let health = { backlog: 0, lag: 0, dead: 0 }
    let error: unknown
    try {
      await orBusy(ledger.reaper.pass({ ...options, limit }, end, pass))
      health = await orBusy(ledger.reaper.health())
    } catch (cause) {
      error = cause
      report.errors.push(cause as StorageError)
    }
    report.taken += pass.taken
    report.deleted += pass.deleted
    report.failed += pass.failed
    publish('reaper', { ledger: name, ...pass, ...health, ...(error === undefined ? {} : { error }) })
  }
  return report
}
