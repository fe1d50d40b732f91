import { setTimeout as sleep } from 'node:timers/promises'
import type { ObjectLiteral } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { inLanes } from '../core/in-lanes.js'
import { assertKnownOptions } from '../core/known-options.js'
import { runAsSystem } from '../core/tenant.js'
import { entryOf } from './cell.js'
import { type Journey, journeysOf } from './journey.js'
import { lookAt } from './look-at.js'
import { type ColumnChoice, columnsOf, ensureTables, type OneColumn } from './one-column.js'
import { type MigrationFailure, Tally } from './progress.js'
import { type Restorable, restoreRows } from './restore-rows.js'
import type { TargetEntry } from './target-lines.js'

const PAGE = 200
/** Objects that are looked at at the same time. */
const LANES = 32
/** How often rows are tried whose locks somebody else holds, and the pause in between in milliseconds. */
const BUSY_TRIES = 10
const BUSY_PAUSE = 1000

/** Which move to take back. */
export interface RollbackOptions<E extends ObjectLiteral> extends ColumnChoice<E> {
  /** The backend that the files were moved to. */
  readonly to: string
  /** Only the files of this tenant. */
  readonly tenant?: string
  /** Told of every batch of rows that is done. */
  readonly onProgress?: (progress: RollbackProgress) => void
  /** Ends it early; run it again to go on. */
  readonly signal?: AbortSignal
}

/** How far a rollback is. */
export interface RollbackProgress {
  /** Rows that hold their old text again. */
  readonly restored: number
  /** Rows that were given other files since, or are gone. They stay as they are. */
  readonly skipped: number
  /** Rows that stay as they are, for a reason that {@link MigrationFailure} names. */
  readonly failed: number
}

/** What a rollback did. */
export interface RollbackReport extends RollbackProgress {
  readonly entity: string
  readonly to: string
  /** The first thousand of them. */
  readonly failures: readonly MigrationFailure[]
  /** Whether it ended before its work was done. */
  readonly aborted: boolean
}

/**
 * Takes a move back: every row that still holds what `migrateFiles` wrote gets its old text again, byte for byte, if its
 * old bytes are still there. Nothing is copied; the copies stay until they are pruned. Files that were uploaded to the new
 * backend stay there.
 *
 * Runs under `runAsSystem` (event `system`).
 *
 * @throws ERR_CONFIG, ERR_BACKEND_UNKNOWN, ERR_LEDGER_NOT_READY, and the database's errors
 * @example
 * await rollbackFiles({ dataSource, entity: OrderFile, to: 'spaces' })
 */
export async function rollbackFiles<E extends ObjectLiteral>(
  options: RollbackOptions<E>,
): Promise<RollbackReport> {
  assertKnownOptions('rollbackFiles', options, {
    ...{ dataSource: 'known', entity: 'known', property: 'known', to: 'known' },
    ...{ tenant: 'known', onProgress: 'known', signal: 'known' },
  })
  const { dataSource, entity, to } = options
  const back = await takeBack(columnsOf(options, to), options, `take the move of files to ${to} back`)
  return { entity: dataSource.getMetadata(entity).name, to, ...back }
}

/** What is told of every way back. */
export type TakenBack = Omit<RollbackReport, 'entity' | 'to'>

/**
 * The way back of some columns.
 *
 * @param reason goes to the audit trail
 */
export async function takeBack<E extends ObjectLiteral>(
  columns: readonly OneColumn[],
  options: Omit<RollbackOptions<E>, 'to'>,
  reason: string,
): Promise<TakenBack> {
  const { dataSource, signal } = options
  const tally = new Tally()
  await ensureTables(dataSource)
  await runAsSystem(reason, async () => {
    for (const column of columns) await new Rollback(column, options, tally).run()
  })
  const { failures } = tally
  return { ...progressOf(tally), failures, aborted: signal?.aborted === true }
}

function progressOf({ moved: restored, skipped, failed }: Tally): RollbackProgress {
  return { restored, skipped, failed }
}

/** The way back of one column. */
class Rollback {
  readonly #of: OneColumn
  readonly #options: Omit<RollbackOptions<ObjectLiteral>, 'entity' | 'to'>
  readonly #tally: Tally

  constructor(of: OneColumn, options: Omit<RollbackOptions<ObjectLiteral>, 'entity' | 'to'>, tally: Tally) {
    this.#of = of
    this.#options = options
    this.#tally = tally
  }

  async run(): Promise<void> {
    const { transactions, journal } = this.#of
    let after = ''
    while (!this.#isAborted()) {
      const from = after
      const page = await transactions.run(runner =>
        journal.page(runner, 'moved', { after: from, limit: PAGE }),
      )
      after = page.at(-1)?.rowId ?? after
      const { journeys, lost } = journeysOf(this.#of, page)
      for (const { journey, error } of lost) this.#fail(journey, error)
      const asked = journeys.filter(each => this.#isAskedFor(each))
      await this.#restore(await this.#withBytes(asked))
      this.#options.onProgress?.(progressOf(this.#tally))
      if (page.length < PAGE) return
    }
  }

  #isAskedFor({ files }: Journey): boolean {
    const { tenant } = this.#options
    return tenant === undefined || files.some(file => file.tenant === tenant)
  }

  /** Those whose old bytes are there, each with the lines of these. */
  async #withBytes(journeys: readonly Journey[]): Promise<Restorable[]> {
    const found: Restorable[] = []
    await inLanes(journeys, LANES, async journey => {
      try {
        const sources: TargetEntry[] = []
        for (const { old } of journey.legs) {
          const size = await lookAt(this.#of.storage, old, this.#options.signal)
          sources.push({ ...entryOf(this.#of.storage, old), size })
        }
        found.push({ journey, sources })
      } catch (error) {
        if (!this.#isAborted()) this.#fail(journey, error)
      }
    })
    return found
  }

  async #restore(found: readonly Restorable[]): Promise<void> {
    let left = found
    for (let attempt = 1; left.length > 0; attempt++) {
      const now = left
      const { restored, skipped, lost, busy } = await this.#of.transactions.run(runner =>
        restoreRows(runner, now, this.#of),
      )
      this.#tally.moved += restored.length
      this.#tally.skipped += skipped.length
      for (const { journey } of lost) this.#fail(journey, givenUp())
      left = busy
      if (left.length === 0) return
      if (attempt === BUSY_TRIES) break
      await sleep(BUSY_PAUSE)
    }
    for (const { journey } of left) this.#fail(journey, locked())
  }

  #fail({ rowId }: Pick<Journey, 'rowId'>, error: unknown): void {
    const { entity, property } = this.#of
    this.#tally.fail({ entity, property, row: rowId }, error)
  }

  #isAborted(): boolean {
    return this.#options.signal?.aborted === true
  }
}

function givenUp(): StorageError {
  return new StorageError(
    'ERR_FILE_STALE',
    'The old bytes of this row have been given up, or belong to another row by now.',
  )
}

function locked(): StorageError {
  return new StorageError('ERR_BUSY', 'Other transactions held the lock of this row all the time. Run again.')
}
