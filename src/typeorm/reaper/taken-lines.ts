import { randomUUID } from 'node:crypto'
import { chunks } from '../chunks.js'
import type { LedgerConnection, Run } from '../ledger-connection.js'
import type { LineKey } from '../ledger-sql.js'
import type { LedgerState } from '../ledger-table.js'
import { DUE_STATES, type DueState, type FailedTry, type ReapStatements } from './reap-statements.js'

/** A line that a reaper has taken up. */
export interface TakenLine extends LineKey {
  readonly disk: string
  readonly state: LedgerState
  /** Whether an upload in parts may be open to its key: nobody said that all of it is there. */
  readonly mayBeInParts: boolean
  readonly uploadId: string | undefined
  /** How often its object could not be deleted. */
  readonly attempts: number
}

/**
 * How long a reaper has for the lines that it takes up, in milliseconds. Then they are due again, for another one: this
 * one may be dead.
 */
export const HOLD = 600_000

/** No part but the last may be smaller ("Multipart upload limits", Amazon S3 User Guide), so no smaller file has parts. */
const SMALLEST_PART = 5 * 1024 * 1024

/** No row ever had the object. Of a file that moves, the size is known before its first byte: it proves nothing. */
const OF_NO_ROW: ReadonlySet<LedgerState> = new Set(['expired', 'reaped'])

// Lines in one statement; databases and their planners take far more.
const CHUNK = 200

/** The lines that one reaper takes up and gives back. Each step is a transaction of its own. */
export class TakenLines {
  readonly #connection: LedgerConnection
  readonly #statements: ReapStatements
  readonly #token = randomUUID()

  constructor(connection: LedgerConnection, statements: ReapStatements) {
    this.#connection = connection
    this.#statements = statements
  }

  /** Takes up lines that are due, as many as `limit`. */
  async take(backends: readonly string[], limit: number): Promise<TakenLine[]> {
    if (backends.length === 0) return []
    const taken: TakenLine[] = []
    for (const state of DUE_STATES) {
      const due = (run: Run) => run(this.#statements.due(state, backends, limit - taken.length))
      taken.push(...(await this.#take(state, due)))
      if (taken.length >= limit) break
    }
    return taken
  }

  /** Takes up those of these lines that are to be deleted. */
  async takeAmong(keys: readonly LineKey[]): Promise<TakenLine[]> {
    const taken: TakenLine[] = []
    for (const part of chunks(keys, CHUNK)) {
      taken.push(...(await this.#take('delete', run => run(this.#statements.dueAmong(part)))))
    }
    return taken
  }

  drop(lines: readonly LineKey[]): Promise<void> {
    return this.#inChunks(lines, part => this.#statements.drop(part, this.#token))
  }

  bury(lines: readonly LineKey[], pause: number): Promise<void> {
    return this.#inChunks(lines, part => this.#statements.bury(part, this.#token, pause))
  }

  fail(lines: readonly LineKey[], failedTry: FailedTry): Promise<void> {
    return this.#inChunks(lines, part => this.#statements.fail(part, this.#token, failedTry))
  }

  release(lines: readonly LineKey[]): Promise<void> {
    return this.#inChunks(lines, part => this.#statements.release(part, this.#token))
  }

  #take(state: DueState, due: (run: Run) => ReturnType<Run>): Promise<TakenLine[]> {
    return this.#connection.together(async run => {
      const keys = (await due(run)).rows.map(keyOf)
      const taken: TakenLine[] = []
      for (const part of chunks(keys, CHUNK)) {
        await run(this.#statements.take(part, state, this.#token, HOLD))
        taken.push(...(await run(this.#statements.taken(part, this.#token))).rows.map(lineOf))
      }
      return taken
    })
  }

  async #inChunks(
    lines: readonly LineKey[],
    statement: (part: readonly LineKey[]) => ReturnType<ReapStatements['drop']>,
  ): Promise<void> {
    for (const part of chunks(lines, CHUNK)) await this.#connection.together(run => run(statement(part)))
  }
}

function keyOf(row: Record<string, unknown>): LineKey {
  // MariaDB gives keys as bytes.
  return { backend: String(row.backend), objectKey: String(row.object_key) }
}

function lineOf(row: Record<string, unknown>): TakenLine {
  const state = String(row.state) as LedgerState
  return {
    ...keyOf(row),
    disk: String(row.disk),
    state,
    mayBeInParts: row.size === null || (OF_NO_ROW.has(state) && Number(row.size) >= SMALLEST_PART),
    uploadId: row.upload_id === null ? undefined : String(row.upload_id),
    attempts: Number(row.attempts),
  }
}
