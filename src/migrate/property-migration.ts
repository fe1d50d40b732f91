import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ObjectLiteral, QueryRunner } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { publish } from '../core/events.js'
import type { FileColumnMetadata } from '../typeorm/file-metadata.js'
import { FileTable } from '../typeorm/file-table.js'
import type { OpenBinding } from '../typeorm/files-binding.js'
import type { Cell } from './cell.js'
import { type BookedCell, book, type CopiedCell, copiedCell, type FailedCell } from './copied-cell.js'
import { SharedCursor } from './cursor.js'
import { idOf, Journal } from './journal.js'
import { moveBytes } from './move-bytes.js'
import type { ResolvedMigrateOptions } from './options.js'
import { assertTenantOfRow, entitiesOf, type TakenPage, takePage } from './page-source.js'
import type { Tally } from './progress.js'
import { RateLimit } from './rate-limit.js'
import { Semaphore } from './semaphore.js'
import { type SwitchResult, switchRows } from './switch-rows.js'
import { TargetLines } from './target-lines.js'
import { Transactions } from './transactions.js'

/** How long a runner that is not heard of keeps its rows, in milliseconds. */
const LEASE = 60_000
/** How long the copies of a runner that died wait for the next run, in milliseconds. */
const TARGET_LEASE = 3_600_000
/** Pages that are worked on at the same time: while one is switched the others are copied. */
const PAGES_AT_ONCE = 3
/** How often a row is tried whose lock somebody else holds, a second apart each time. */
const BUSY_TRIES = 10

/** Moves the files of one column. */
export class PropertyMigration<E extends ObjectLiteral> {
  readonly #binding: OpenBinding
  readonly #options: ResolvedMigrateOptions<E>
  readonly #column: FileColumnMetadata
  readonly #tally: Tally
  readonly #worker = randomUUID()
  readonly #table: FileTable
  readonly #journal: Journal
  readonly #cursor: SharedCursor
  readonly #lines: TargetLines
  readonly #slots: Semaphore
  readonly #rate: RateLimit
  readonly #transactions: Transactions
  readonly #underWay = new Set<BookedCell>()

  constructor(
    binding: OpenBinding,
    column: FileColumnMetadata,
    options: ResolvedMigrateOptions<E>,
    tally: Tally,
  ) {
    const { dataSource, sql } = binding
    const { to, from, tenant, where } = options
    const metadata = dataSource.getMetadata(options.entity)
    const scope = { entity: metadata.name, property: column.column.propertyPath, target: to }
    this.#binding = binding
    this.#options = options
    this.#column = column
    this.#tally = tally
    this.#table = new FileTable(
      metadata,
      [{ name: `${scope.entity}.${scope.property}`, of: column }],
      undefined,
      sql,
    )
    this.#journal = new Journal(dataSource, sql.dialect, scope)
    this.#cursor = new SharedCursor(dataSource, sql.dialect, scope, {
      from,
      tenant,
      where: where && String(where),
    })
    this.#lines = new TargetLines(sql)
    this.#slots = new Semaphore(options.concurrency)
    this.#rate = new RateLimit(options.rate)
    this.#transactions = new Transactions(binding)
  }

  /** Until nothing is left to move, or the signal aborts. */
  async run(): Promise<void> {
    const renewals = setInterval(() => void this.#renew(), LEASE / 3)
    try {
      await this.#transactions.run(runner => this.#cursor.open(runner))
      await this.#pages(runner => takePage(runner, this.#pageContext()))
      await this.#orphans()
    } finally {
      clearInterval(renewals)
      await this.#letGo()
    }
  }

  /** Rows whose runner died, until nobody else is at work any more. */
  async #orphans(): Promise<void> {
    for (;;) {
      await this.#pages(runner => this.#takeAbandoned(runner))
      if (this.#isAborted()) return
      if ((await this.#transactions.run(runner => this.#journal.movingElsewhere(runner, this.#worker))) === 0)
        return
      await sleep(1000, undefined, { signal: this.#options.signal }).catch(() => {})
    }
  }

  async #takeAbandoned(runner: QueryRunner): Promise<TakenPage | undefined> {
    const entries = await this.#journal.abandoned(runner, 100)
    if (entries.length === 0) return undefined
    const again = entries.map(entry => ({ ...entry, attempts: entry.attempts + 1 }))
    await this.#journal.take(runner, this.#worker, again, LEASE)
    const cells = again.map(({ rowId, oldText, attempts }) => ({
      id: idOf(rowId),
      rowId,
      text: oldText,
      attempts,
    }))
    return { cells, rows: 0 }
  }

  /** Works on some pages at the same time, and takes the next when one is done. */
  async #pages(take: (runner: QueryRunner) => Promise<TakenPage | undefined>): Promise<void> {
    let isOver = false
    const lane = async () => {
      while (!isOver && !this.#isAborted()) {
        const page = await this.#transactions.run(take)
        if (page === undefined) isOver = true
        else await this.#page(page)
      }
    }
    const ended = await Promise.allSettled(Array.from({ length: PAGES_AT_ONCE }, lane))
    const failure = ended.find(each => each.status === 'rejected')
    if (failure !== undefined) throw failure.reason
  }

  async #page({ cells, rows }: TakenPage): Promise<void> {
    const wrong = await this.#wrongTenants(cells)
    const { booked, failed } = await this.#transactions.run(runner =>
      book(
        runner,
        cells.filter(({ rowId }) => !wrong.has(rowId)),
        {
          ...{ storage: this.#binding.storage, column: this.#column, selection: this.#options },
          ...{ lines: this.#lines, lease: TARGET_LEASE },
        },
      ),
    )
    for (const cell of booked) this.#underWay.add(cell)
    const copies = await Promise.all(booked.map(cell => this.#copy(cell)))
    await this.#switch(copies.filter(copy => 'newText' in copy))
    await this.#fail([...wrong.values(), ...failed, ...copies.filter(copy => 'error' in copy)])
    for (const cell of booked) this.#underWay.delete(cell)
    this.#tally.rows += rows
    this.#options.onProgress?.(this.#tally.snapshot())
  }

  async #copy(booked: BookedCell): Promise<CopiedCell | FailedCell> {
    const { storage } = this.#binding
    const { verify, signal } = this.#options
    const context = { storage, verify, signal, rate: this.#rate }
    try {
      const moved = []
      for (const { file, target } of booked.passengers) {
        const data = await this.#slots.run(() => moveBytes(file, target, context))
        this.#tally.bytes += data.size
        moved.push(data)
      }
      return copiedCell(booked, moved, { storage, column: this.#column })
    } catch (error) {
      return { cell: booked.cell, error }
    }
  }

  async #switch(copied: readonly CopiedCell[]): Promise<void> {
    let left = copied
    for (let attempt = 1; left.length > 0; attempt++) {
      const result: SwitchResult = await this.#transactions.run(runner =>
        switchRows(runner, left, {
          ...{
            storage: this.#binding.storage,
            table: this.#table,
            journal: this.#journal,
            lines: this.#lines,
          },
          ...{ worker: this.#worker, rowLocks: this.#binding.sql.dialect.ownPool },
        }),
      )
      this.#tally.moved += result.moved.reduce((sum, { passengers }) => sum + passengers.length, 0)
      this.#tally.skipped += result.skipped.length
      await this.#fail(result.lost.map(({ cell }) => ({ cell, error: leaseLost() })))
      left = result.busy
      if (left.length === 0) return
      if (attempt === BUSY_TRIES) return this.#fail(left.map(({ cell }) => ({ cell, error: locked() })))
      await sleep(1000)
    }
  }

  async #wrongTenants(cells: readonly Cell[]): Promise<Map<string, FailedCell>> {
    const { tenantOf, entity } = this.#options
    const wrong = new Map<string, FailedCell>()
    if (tenantOf === undefined || cells.length === 0) return wrong
    const rows = await this.#transactions.run(runner => entitiesOf(runner, entity, cells))
    for (const cell of cells) {
      const row = rows.get(cell.rowId)
      if (row === undefined) continue // gone meanwhile, which the switch finds out
      try {
        for (const file of this.#column.transformer.filesOf(this.#column.transformer.from(cell.text)))
          assertTenantOfRow(tenantOf(row), file.tenant)
      } catch (error) {
        wrong.set(cell.rowId, { cell, error })
      }
    }
    return wrong
  }

  /** Writes failures down, and gives up what was made for them. What the signal ended did not fail. */
  async #fail(cells: readonly FailedCell[]): Promise<void> {
    const failed = cells.filter(
      ({ error }) => !(this.#isAborted() && StorageError.is(error, 'ERR_UPLOAD_ABORTED')),
    )
    if (failed.length === 0) return
    const lines = failed.map(({ cell, error }) => ({ rowId: cell.rowId, error: String(error) }))
    await this.#transactions.run(runner => this.#journal.end(runner, 'failed', lines))
    const { name: entity } = this.#binding.dataSource.getMetadata(this.#options.entity)
    const property = this.#column.column.propertyPath
    for (const { cell, error } of failed) {
      const { code, message } = StorageError.is(error)
        ? error
        : { code: 'ERR_BACKEND', message: String(error) }
      this.#tally.fail({ entity, property, row: cell.rowId, code, message })
    }
  }

  async #renew(): Promise<void> {
    const targets = [...this.#underWay].flatMap(({ passengers }) =>
      passengers.map(({ target }) => ({
        backend: target.backend,
        objectKey: this.#binding.storage.disk(target.disk).objectKey(target),
      })),
    )
    try {
      await this.#transactions.run(async runner => {
        await this.#journal.renew(runner, this.#worker, LEASE)
        await this.#lines.renew(runner, targets, TARGET_LEASE)
      })
    } catch (error) {
      // The next one may succeed; one that comes too late is found by the switch.
      publish('warning', {
        code: 'MIGRATION_LEASE',
        message: `A lease could not be renewed: ${String(error)}`,
      })
    }
  }

  /** So that the next run need not wait for the leases. */
  async #letGo(): Promise<void> {
    await this.#transactions.run(runner => this.#journal.renew(runner, this.#worker, -1)).catch(() => {})
  }

  #isAborted(): boolean {
    return this.#options.signal?.aborted === true
  }

  #pageContext() {
    const { entity, where } = this.#options
    return {
      ...{ table: this.#table, column: this.#column, journal: this.#journal, cursor: this.#cursor },
      ...{ selection: this.#options, options: { entity, where }, worker: this.#worker, lease: LEASE },
    }
  }
}

function leaseLost(): StorageError {
  return new StorageError(
    'ERR_LEASE_LOST',
    'Another runner took this row over, or its new object was given up. Run again.',
  )
}

function locked(): StorageError {
  return new StorageError(
    'ERR_BUSY',
    'Another transaction held the lock of this row all the time. Run again.',
  )
}
