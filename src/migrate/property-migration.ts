import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ObjectLiteral } from 'typeorm'
import { publish } from '../core/events.js'
import { execute } from '../typeorm/execute.js'
import { entryOf } from './cell.js'
import { CellCopier, type UncopiedCell } from './cell-copier.js'
import type { Circuit } from './circuit.js'
import { type BookedCell, book, type CopiedCell, type FailedCell, stays } from './copied-cell.js'
import { SharedCursor, walkOf } from './cursor.js'
import { rowIdOf } from './journal.js'
import { linesLeft } from './lines-left.js'
import type { OneColumn } from './one-column.js'
import type { RunOptions } from './options.js'
import { type PageContext, type TakenPage, takeAbandoned, takePage } from './page-source.js'
import type { Tally } from './progress.js'
import { locked, stale } from './row-errors.js'
import { type SwitchResult, switchRows } from './switch-rows.js'
import { wrongTenants } from './wrong-tenants.js'

/** How long a runner that is not heard of keeps its rows, in milliseconds. */
const LEASE = 60_000
/** How long the copies of a runner that died wait for the next run, in milliseconds. */
const TARGET_LEASE = 3_600_000
/** Pages that are worked on at the same time: while one is switched the others are copied. */
const PAGES_AT_ONCE = 3
/** How often a row is tried whose lock somebody else holds, a second apart each time. */
const BUSY_TRIES = 10
/** How often a row is copied whose new key somebody else took meanwhile. */
const STALE_TRIES = 3
/** How often to look for rows of other runners that died, in milliseconds. */
const LOOK_AGAIN = 1000

/** Moves the files of one column, or adopts them. */
export class PropertyMigration<E extends ObjectLiteral> {
  readonly #of: OneColumn
  readonly #options: RunOptions<E>
  readonly #tally: Tally
  readonly #circuit: Circuit
  readonly #worker = randomUUID()
  readonly #cursor: SharedCursor
  readonly #copier: CellCopier<E>
  readonly #underWay = new Set<BookedCell>()

  constructor(of: OneColumn, options: RunOptions<E>, tally: Tally, circuit: Circuit) {
    const { dataSource, sql } = of.binding
    this.#of = of
    this.#options = options
    this.#tally = tally
    this.#circuit = circuit
    this.#cursor = new SharedCursor(dataSource, sql.dialect, of.scope, walkOf(of, options))
    this.#copier = new CellCopier(of, options, tally, circuit)
  }

  /** Until nothing is left to move, the signal aborts, or the circuit opens. */
  async run(): Promise<void> {
    const { transactions } = this.#of
    const renewals = setInterval(() => void this.#renew(), LEASE / 3)
    try {
      await transactions.run(runner => this.#cursor.open(runner))
      await this.#pages(() => transactions.run(runner => takePage(runner, this.#pageContext())))
      await this.#abandoned()
    } finally {
      clearInterval(renewals)
      await this.#letGo()
    }
  }

  /** Rows whose runner died, until nobody else is at work any more. */
  async #abandoned(): Promise<void> {
    const { transactions, journal } = this.#of
    while (!this.#isOver()) {
      let after = ''
      let taken = 0
      await this.#pages(async () => {
        const page = await transactions.run(runner => takeAbandoned(runner, this.#pageContext(), after))
        if (page === undefined) return undefined
        after = page.after
        taken += page.cells.length
        return page
      })
      if (taken > 0) continue
      const others = await transactions.run(runner => journal.movingElsewhere(runner, this.#worker))
      if (others === 0) return
      await sleep(LOOK_AGAIN, undefined, { signal: this.#options.signal }).catch(() => {})
    }
  }

  /** Works on some pages at the same time, and takes the next when one is done. */
  async #pages(take: () => Promise<TakenPage | undefined>): Promise<void> {
    let isOver = false
    const lane = async () => {
      while (!isOver && !this.#isOver()) {
        const page = await take()
        if (page === undefined) isOver = true
        else await this.#page(page)
      }
    }
    const guarded = () =>
      lane().catch(error => {
        isOver = true
        throw error
      })
    const ended = await Promise.allSettled(Array.from({ length: PAGES_AT_ONCE }, guarded))
    const failure = ended.find(each => each.status === 'rejected')
    if (failure !== undefined) throw failure.reason
  }

  async #page({ cells, rows }: TakenPage): Promise<void> {
    const { transactions, storage, column, lines } = this.#of
    const { free } = this.#options
    const context = { storage, column, lines, free, selection: this.#options, lease: TARGET_LEASE }
    const { wrong, booked, failed } = await transactions.run(async runner => {
      const wrong = await wrongTenants(runner, this.#of, this.#options, cells)
      const right = cells.filter(({ rowId }) => !wrong.has(rowId))
      return { wrong, ...(await book(runner, right, context)) }
    })
    for (const cell of booked) this.#underWay.add(cell)
    try {
      const copies = await Promise.all(booked.map(cell => this.#copier.copy(cell)))
      await this.#switch(copies.filter(copy => 'newText' in copy))
      const broken = await this.#settle(copies.filter(copy => 'error' in copy))
      await this.#fail([...wrong.values(), ...failed, ...broken])
    } finally {
      for (const cell of booked) this.#underWay.delete(cell)
    }
    this.#tally.rows += rows
    this.#options.onProgress?.(this.#tally.snapshot())
  }

  async #switch(copied: readonly CopiedCell[]): Promise<void> {
    const { transactions, storage, table, column, journal, lines, rowLocks } = this.#of
    const { free } = this.#options
    const context = { storage, table, column, journal, lines, free, rowLocks, worker: this.#worker }
    let left = copied
    for (let attempt = 1; left.length > 0; attempt++) {
      const now = left
      const result: SwitchResult = await transactions.run(runner => switchRows(runner, now, context))
      const moved = result.moved.flatMap(({ passengers }) => passengers)
      this.#tally.moved += moved.length
      this.#tally.copied += moved.filter(passenger => !stays(passenger)).length
      this.#tally.skipped += result.skipped.length
      const hopeless = result.stale.filter(({ cell }) => cell.attempts >= STALE_TRIES)
      await this.#fail(hopeless.map(({ cell }) => ({ cell, error: stale() })))
      left = result.busy
      if (left.length === 0) return
      if (attempt === BUSY_TRIES) break
      await sleep(LOOK_AGAIN, undefined, { signal: this.#options.signal }).catch(() => {})
      if (this.#isAborted()) break
    }
    await this.#leave(left)
  }

  /** Rows whose locks others hold. */
  async #leave(busy: readonly CopiedCell[]): Promise<void> {
    if (busy.length === 0) return
    const { transactions, lines } = this.#of
    const isOver = this.#isAborted()
    const left = busy.map(copy => linesLeft(copy, isOver ? null : copy.cell.text, this.#of))
    const strangers = left.flatMap(each => each.strangers)
    await transactions.run(runner => lines.forget(runner, strangers))
    // Where the run was ended, the next one takes them up.
    if (!isOver) await this.#fail(busy.map(({ cell }) => ({ cell, error: locked() })))
  }

  /**
   * Forgets the lines over what is not ours: no lease may end it. Of those that failed, reports the ones whose rows still
   * hold what could not be copied; the files of the others are deleted as we look.
   */
  async #settle(uncopied: readonly UncopiedCell[]): Promise<readonly FailedCell[]> {
    if (uncopied.length === 0) return []
    const { transactions, journal, table, lines } = this.#of
    const failed = uncopied.filter(({ error }) => error !== undefined)
    const changed = await transactions.run(async runner => {
      const ids = failed.map(({ cell }) => cell.id)
      const rows = ids.length === 0 ? [] : table.readAll((await execute(runner, table.some(ids))).rows)
      const texts = new Map(rows.map(({ id, texts: [text] }) => [rowIdOf(id), text]))
      const gone = failed.filter(({ cell }) => texts.get(cell.rowId) !== cell.text)
      const ended = gone.map(({ cell }) => ({ rowId: cell.rowId }))
      await journal.end(runner, 'skipped', ended)
      const left = uncopied.map(each => linesLeft(each, texts.get(each.cell.rowId) ?? null, this.#of))
      await lines.forget(
        runner,
        left.flatMap(({ strangers }) => strangers),
      )
      return new Set<FailedCell>(gone)
    })
    this.#tally.skipped += changed.size
    return failed.filter(each => !changed.has(each))
  }

  /** Writes failures down. What was made for them stays for the next run, until its lease is over. */
  async #fail(failed: readonly FailedCell[]): Promise<void> {
    if (failed.length === 0) return
    const { transactions, journal, entity, property } = this.#of
    const lines = failed.map(({ cell, error }) => ({ rowId: cell.rowId, error: String(error) }))
    await transactions.run(runner => journal.end(runner, 'failed', lines))
    for (const { cell, error } of failed) this.#tally.fail({ entity, property, row: cell.rowId }, error)
  }

  async #renew(): Promise<void> {
    const { transactions, storage, journal, lines } = this.#of
    const passengers = [...this.#underWay].flatMap(booked => booked.passengers)
    const targets = passengers.filter(each => !stays(each)).map(({ target }) => entryOf(storage, target))
    try {
      await transactions.run(async runner => {
        await journal.renew(runner, this.#worker, LEASE)
        await lines.renew(runner, targets, TARGET_LEASE)
      })
    } catch (error) {
      // The next one may succeed; one that comes too late is found by the switch.
      const message = `A lease could not be renewed: ${String(error)}`
      publish('warning', { code: 'MIGRATION_LEASE', message })
    }
  }

  /** So that the next run need not wait for the leases; where this fails, it waits. */
  async #letGo(): Promise<void> {
    const { transactions, journal } = this.#of
    await transactions.run(runner => journal.renew(runner, this.#worker, -1)).catch(() => {})
  }

  #isAborted(): boolean {
    return this.#options.signal?.aborted === true
  }

  #isOver(): boolean {
    return this.#isAborted() || this.#circuit.stoppedBy !== undefined
  }

  #pageContext(): PageContext {
    const { table, column, journal } = this.#of
    const { entity, where } = this.#options
    const options = { entity, where } as PageContext['options']
    const cursor = this.#cursor
    return { table, column, journal, cursor, options, ...this.#mine(), selection: this.#options }
  }

  #mine(): Pick<PageContext, 'worker' | 'lease'> {
    return { worker: this.#worker, lease: LEASE }
  }
}
