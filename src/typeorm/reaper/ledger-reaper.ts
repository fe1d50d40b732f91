import { publish } from '../../core/events.js'
import type { Storage } from '../../core/storage.js'
import type { LedgerConnection } from '../ledger-connection.js'
import type { LineKey } from '../ledger-sql.js'
import { Deadline } from './deadline.js'
import { failedLines } from './failed-lines.js'
import { ReapQueue } from './reap-queue.js'
import type { ReapStatements } from './reap-statements.js'
import type { Failures } from './removal.js'
import { removeObjects } from './remove-objects.js'
import { settledWithin } from './settled-within.js'
import { HOLD, type TakenLine, TakenLines } from './taken-lines.js'

/** How one pass through a ledger works. */
export interface PassOptions {
  /** Lines that are taken up at once. */
  readonly batchSize: number
  /** Lines that are taken up at most. */
  readonly limit: number
  /** Requests at the same time to one backend that cannot delete many objects with one. */
  readonly concurrency: number
  /** After so many failures a line is dead. */
  readonly maxAttempts: number
  /** Milliseconds that a reaped key waits for its second deletion. */
  readonly tombstone: number
}

/** What one pass did. */
export interface Pass {
  /** Lines that were taken up. */
  taken: number
  /** Objects that are deleted. */
  deleted: number
  /** Lines whose object could not be deleted now. */
  failed: number
}

/** What came of one batch. */
interface Batch {
  readonly deleted: number
  readonly failed: number
  /** Backends that failed for every line. */
  readonly failing: readonly string[]
}

/** What ends a pass early. */
export interface PassEnd {
  /** After the batch that is under way. */
  readonly soon: AbortSignal
  /** At once: requests to backends are given up. */
  readonly now: AbortSignal
}

export const PASS_DEFAULTS: PassOptions = {
  batchSize: 500,
  limit: Number.POSITIVE_INFINITY,
  concurrency: 8,
  maxAttempts: 20,
  tombstone: 86_400_000,
}

/** Half of the time that a reaper has for its lines: the other half is for writing down what came of it. */
const REMOVAL_TIME = HOLD / 2

/** How long the end of a batch is waited for when the database closes, in milliseconds. */
const CLOSE_TIME = 5_000
/** For requests that were given up to end, so that their lines can be given back. */
const LAST_MOMENTS = 2_000

/**
 * Deletes what the lines of one ledger have given up. Lines are marked in a committed transaction before an object is
 * touched, and dropped after it is gone, so it may die at any moment; and any number of them may work at once.
 */
export class LedgerReaper {
  readonly #storage: Storage
  readonly #connection: LedgerConnection
  readonly #statements: ReapStatements
  /** From now on no batch is begun. */
  readonly #closing = new AbortController()
  /** What is still under way is given up. */
  readonly #closed = new AbortController()
  readonly #running = new Set<Promise<unknown>>()
  readonly #queue = new ReapQueue(keys => this.#track(this.#passAmong(keys)))

  constructor(storage: Storage, connection: LedgerConnection, statements: ReapStatements) {
    this.#storage = storage
    this.#connection = connection
    this.#statements = statements
  }

  /**
   * Works on everything that is due, batch by batch. A backend that fails for a whole batch is left alone for the
   * rest of the pass.
   *
   * @param pass is counted up as it goes, so that it holds what was done when this rejects
   */
  pass(options: PassOptions, end: PassEnd, pass: Pass): Promise<void> {
    return this.#track(this.#pass(options, end, pass))
  }

  async #pass(options: PassOptions, end: PassEnd, pass: Pass): Promise<void> {
    const resting = new Set<string>()
    while (pass.taken < options.limit && !end.soon.aborted && !this.#closing.signal.aborted) {
      const backends = this.#storage.backendNames.filter(name => !resting.has(name))
      const lines = this.#lines()
      const taken = await lines.take(backends, Math.min(options.batchSize, options.limit - pass.taken))
      if (taken.length === 0) return
      const batch = await this.#reap(lines, taken, options, end.now)
      pass.taken += taken.length
      pass.deleted += batch.deleted
      pass.failed += batch.failed
      for (const name of batch.failing) resting.add(name)
    }
  }

  /** Works soon on those of these lines that the database says are to be deleted. Never throws. */
  soon(keys: readonly LineKey[]): void {
    if (!this.#closing.signal.aborted) this.#queue.add(keys)
  }

  async #passAmong(keys: readonly LineKey[]): Promise<void> {
    const lines = this.#lines()
    const taken = await lines.takeAmong(keys)
    if (taken.length > 0) await this.#reap(lines, taken, PASS_DEFAULTS, this.#closed.signal)
  }

  /** How far behind the reapers are. @returns `lag` in seconds */
  async health(): Promise<{ backlog: number; lag: number; dead: number }> {
    return this.#connection.together(async run => {
      const [due] = (await run(this.#statements.backlog())).rows
      const [gone] = (await run(this.#statements.dead())).rows
      return {
        backlog: Number(due?.backlog ?? 0),
        lag: Math.max(0, Number(due?.lag ?? 0)) / 1000,
        dead: Number(gone?.dead ?? 0),
      }
    })
  }

  /** @returns how many lines are tried again */
  async retryDead(): Promise<number> {
    return this.#connection.run(this.#statements.retryDead())
  }

  /** Lets what is under way end, for a while. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#queue.clear()
    await settledWithin(this.#running, CLOSE_TIME)
    this.#closed.abort()
    await settledWithin(this.#running, LAST_MOMENTS)
  }

  async #reap(
    lines: TakenLines,
    taken: readonly TakenLine[],
    { concurrency, tombstone, maxAttempts }: PassOptions,
    stop: AbortSignal,
  ): Promise<Batch> {
    const end = new Deadline(REMOVAL_TIME, [stop, this.#closed.signal])
    const failures = await removeObjects(this.#storage, taken, { concurrency, signal: end.signal })
    end.clear()
    const removed = taken.filter(line => !failures.has(line))
    const isFirst = ({ state }: TakenLine) => state === 'expired'
    await lines.bury(removed.filter(isFirst), tombstone)
    await lines.drop(removed.filter(line => !isFirst(line)))
    if (end.isStopped) {
      await lines.release([...failures.keys()])
      return { deleted: removed.length, failed: 0, failing: [] }
    }
    for (const [{ backend, objectKey: key }, error] of failures) publish('leftover', { backend, key, error })
    for (const failed of failedLines(failures, maxAttempts)) await lines.fail(failed.lines, failed.failedTry)
    return { deleted: removed.length, failed: failures.size, failing: failing(taken, failures) }
  }

  #lines(): TakenLines {
    return new TakenLines(this.#connection, this.#statements)
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work)
    try {
      return await work
    } finally {
      this.#running.delete(work)
    }
  }
}

/** The backends that failed for every line. */
function failing(taken: readonly TakenLine[], failures: Failures): string[] {
  const working = new Set(taken.filter(line => !failures.has(line)).map(({ backend }) => backend))
  return [...failures.keys()].map(({ backend }) => backend).filter(backend => !working.has(backend))
}
