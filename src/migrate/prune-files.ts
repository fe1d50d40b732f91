import type { ObjectLiteral } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { assertKnownOptions } from '../core/known-options.js'
import { runAsSystem } from '../core/tenant.js'
import { type Journey, journeysOf } from './journey.js'
import { NamedFiles } from './named-files.js'
import { type ColumnChoice, columnsOf, ensureTables, type OneColumn } from './one-column.js'
import { type MigrationFailure, Tally } from './progress.js'
import { judge, type Leftover, pruneRows } from './prune-rows.js'

const PAGE = 200
const DAY = 86_400_000

/** Which files to give up that a migration has left behind. */
export interface PruneOptions<E extends ObjectLiteral> extends ColumnChoice<E> {
  /** The backend that the files were moved to. */
  readonly to: string
  /** For how many days files stay after their move, or after it was taken back; not less than a signed URL may live. */
  readonly keep: number
  /** Told of every batch of rows that is done. */
  readonly onProgress?: (progress: PruneProgress) => void
  /** Ends it early; run it again to go on. */
  readonly signal?: AbortSignal
}

/** How far a pruning is. */
export interface PruneProgress {
  /** Rows whose files at the other place are handed to the reaper. */
  readonly pruned: number
  /** Rows whose files at the other place are named by a row, or that changed while we looked. They stay. */
  readonly skipped: number
  /** Rows whose own bytes are not as they should be. What is left of their files stays. */
  readonly failed: number
}

/** What a pruning did. */
export interface PruneReport extends PruneProgress {
  readonly entity: string
  readonly to: string
  /** The first thousand of them. */
  readonly failures: readonly MigrationFailure[]
  /** Whether it ended before its work was done. */
  readonly aborted: boolean
}

/**
 * Gives up what moves have left behind: old bytes after a move, copies after one that was taken back. Only where the
 * move is older than `keep`, no row of any file column names the object any more, and the row's own bytes are there, in their
 * full length. The reaper deletes what is given up. After it nothing can be taken back.
 *
 * Runs under `runAsSystem` (event `system`).
 *
 * @throws ERR_CONFIG for a `keep` that is shorter than a signed URL may live, ERR_BACKEND_UNKNOWN, ERR_LEDGER_NOT_READY,
 *   ERR_UPLOAD_ABORTED for a signal that aborts while it looks what rows name, and the database's errors
 * @example
 * await pruneFiles({ dataSource, entity: OrderFile, to: 'spaces', keep: 30 })
 */
export async function pruneFiles<E extends ObjectLiteral>(options: PruneOptions<E>): Promise<PruneReport> {
  assertKnownOptions('pruneFiles', options, {
    ...{ dataSource: 'known', entity: 'known', property: 'known', to: 'known' },
    ...{ keep: 'known', onProgress: 'known', signal: 'known' },
  })
  const { dataSource, entity, to, keep, signal } = options
  const columns = columnsOf(options, to)
  for (const { storage } of columns) assertKeep(keep, storage.longestUrl)
  const tally = new Tally()
  await ensureTables(dataSource)
  await runAsSystem(`give up what a move of files to ${to} left`, async () => {
    for (const column of columns) {
      const counts = await column.transactions.run(runner => column.journal.states(runner))
      for (const state of ['moved', 'restored'] as const) {
        if (!counts.has(state)) continue
        // What a move has left lies elsewhere; what lies there and was left, one that was taken back has.
        const isThere = state === 'restored'
        const names = await NamedFiles.read(column.binding, file => (file.backend === to) === isThere, signal)
        await pruneColumn({ of: column, names, state, options, tally })
      }
    }
  })
  const { name } = dataSource.getMetadata(entity)
  const { failures } = tally
  return { entity: name, to, ...progressOf(tally), failures, aborted: signal?.aborted === true }
}

interface Pruning {
  readonly of: OneColumn
  readonly names: NamedFiles
  readonly state: 'moved' | 'restored'
  readonly options: Pick<PruneOptions<ObjectLiteral>, 'keep' | 'onProgress' | 'signal'>
  readonly tally: Tally
}

async function pruneColumn({ of, names, state, options, tally }: Pruning): Promise<void> {
  const { transactions, journal, entity, property } = of
  const { keep, onProgress, signal } = options
  for (let after = ''; signal?.aborted !== true; ) {
    const place = { after, age: keep * DAY, limit: PAGE }
    const page = await transactions.run(runner => journal.page(runner, state, place))
    after = page.at(-1)?.rowId ?? after
    const { journeys, lost } = journeysOf(of, page)
    const leftovers = journeys.map(journey => leftoverOf(state, journey))
    const runner = of.binding.dataSource.createQueryRunner()
    const judged = await judge(runner, leftovers, of, names, signal).finally(() => runner.release())
    const pruned = await transactions.run(each => pruneRows(each, state, judged.prunable, of))
    tally.moved += pruned.length
    tally.skipped += judged.named.length + judged.prunable.length - pruned.length
    for (const { journey, error } of [...lost, ...judged.failed])
      tally.fail({ entity, property, row: journey.rowId }, error)
    onProgress?.(progressOf(tally))
    if (page.length < PAGE) return
  }
}

function leftoverOf(state: 'moved' | 'restored', journey: Journey): Leftover {
  const old = journey.legs.map(leg => leg.old)
  const now = journey.legs.map(leg => leg.new)
  return state === 'moved' ? { journey, left: old, instead: now } : { journey, left: now, instead: old }
}

function progressOf({ moved: pruned, skipped, failed }: Tally): PruneProgress {
  return { pruned, skipped, failed }
}

/** @throws ERR_CONFIG */
function assertKeep(keep: number, longestUrl: number): void {
  const least = longestUrl / (DAY / 1000)
  if (Number.isFinite(keep) && keep >= least) return
  throw new StorageError(
    'ERR_CONFIG',
    `keep is a number of days, and at least ${least}: so long may addresses live that were signed before the move. Got ${keep}.`,
  )
}
