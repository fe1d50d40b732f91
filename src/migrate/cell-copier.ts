import type { ObjectLiteral } from 'typeorm'
import { adoptBytes } from './adopt-bytes.js'
import type { Circuit } from './circuit.js'
import {
  type BookedCell,
  type CopiedCell,
  copiedCell,
  type FailedCell,
  type Passenger,
  stays,
  type TracedCell,
} from './copied-cell.js'
import { findAtTarget } from './find-at-target.js'
import { SMALL } from './move-bytes.js'
import type { MoveContext } from './move-context.js'
import type { OneColumn } from './one-column.js'
import type { RunOptions } from './options.js'
import type { Tally } from './progress.js'
import { RateLimit } from './rate-limit.js'
import { Semaphore } from './semaphore.js'
import { ServerCopies } from './server-copies.js'
import { Trace } from './trace.js'

/** Bytes a second for each large file under way: more of them would hold memory that all uploads share, and wait. */
const RATE_OF_LARGE = 16 * 1024 * 1024

/** A cell that was not copied to its end. Where the migration has ended there is no error: the next run takes it up. */
export type UncopiedCell = TracedCell & FailedCell

/** Copies the files of one run's cells, so many at the same time. */
export class CellCopier<E extends ObjectLiteral> {
  readonly #of: Pick<OneColumn, 'storage' | 'column'>
  readonly #options: RunOptions<E>
  readonly #tally: Tally
  readonly #circuit: Circuit
  readonly #slots: Semaphore
  readonly #large: Semaphore
  readonly #rate: RateLimit
  readonly #copies = new ServerCopies()

  constructor(
    of: Pick<OneColumn, 'storage' | 'column'>,
    options: RunOptions<E>,
    tally: Tally,
    circuit: Circuit,
  ) {
    this.#of = of
    this.#options = options
    this.#tally = tally
    this.#circuit = circuit
    this.#slots = new Semaphore(options.concurrency)
    this.#large = new Semaphore(Math.max(1, Math.floor(options.rate / RATE_OF_LARGE)))
    this.#rate = new RateLimit(options.rate)
  }

  /** One file of a list after the other. */
  async copy(booked: BookedCell): Promise<CopiedCell | UncopiedCell> {
    const { cell, passengers } = booked
    const traces = passengers.map(({ line }) => new Trace(line))
    const traced = { cell, passengers, traces }
    const moved = []
    try {
      for (const [index, passenger] of passengers.entries()) {
        const trace = traces[index] as Trace
        const data = await this.#inTurn(passenger, () => this.#guarded(() => this.#move(passenger, trace)))
        if (data === undefined) return { ...traced, error: undefined }
        this.#tally.bytes += data.size
        moved.push(data)
      }
    } catch (error) {
      await this.#lookAtRest(traced, moved.length)
      return { ...traced, error: this.#isAborted() ? undefined : error }
    }
    return copiedCell(traced, moved, this.#of)
  }

  #inTurn<T>({ file }: Passenger, work: () => Promise<T>): Promise<T> {
    const inSlot = () => this.#slots.run(work)
    return file.size > SMALL ? this.#large.run(inSlot) : inSlot()
  }

  #move(passenger: Passenger, trace: Trace) {
    const { file, target } = passenger
    const { rules } = this.#of.column.transformer.settings
    const context = this.#contextOf(trace)
    if (this.#options.to === undefined) return adoptBytes(passenger, rules, context)
    return this.#copies.move(file, target, context)
  }

  /** @returns undefined where the migration has ended */
  async #guarded<T>(move: () => Promise<T>): Promise<T | undefined> {
    if (this.#isOver()) return undefined
    try {
      const moved = await move()
      this.#circuit.succeeded()
      return moved
    } catch (error) {
      if (!this.#isAborted()) this.#circuit.failed(error)
      throw error
    }
  }

  /** Files that are not copied because this one failed: an earlier run may have come further. */
  async #lookAtRest({ passengers, traces }: TracedCell, first: number): Promise<void> {
    for (const [index, passenger] of passengers.entries()) {
      const trace = traces[index]
      if (index < first || !trace?.isDoubtful || stays(passenger) || this.#isOver()) continue
      await findAtTarget(passenger.file, passenger.target, this.#contextOf(trace))
    }
  }

  #contextOf(trace: Trace): MoveContext {
    const { verify, signal } = this.#options
    return { storage: this.#of.storage, verify, signal, trace, rate: this.#rate }
  }

  #isAborted(): boolean {
    return this.#options.signal?.aborted === true
  }

  #isOver(): boolean {
    return this.#isAborted() || this.#circuit.stoppedBy !== undefined
  }
}
