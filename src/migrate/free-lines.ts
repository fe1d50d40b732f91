import type { QueryRunner } from 'typeorm'
import { execute } from '../typeorm/execute.js'
import type { LineKey } from '../typeorm/ledger-sql.js'
import { isOld } from './cell.js'
import { NamedFiles } from './named-files.js'
import type { OneColumn } from './one-column.js'
import type { LockedLine } from './target-lines.js'

/** Longer than the transaction takes that gives rows their new texts, in milliseconds. */
const MARGIN = 60_000

/**
 * Which objects a row with an old text may have for itself, where they are. The line of one that only old texts name may
 * be `attached` all the same: `reconcile` writes such lines, and a move that was taken back leaves them. So the rows are
 * asked once, at the beginning; what became attached since then is somebody's.
 */
export class FreeLines {
  readonly #since: number
  readonly #named: NamedFiles

  private constructor(since: number, named: NamedFiles) {
    this.#since = since
    this.#named = named
  }

  /** Reads all rows of all file columns. @throws ERR_UPLOAD_ABORTED for the signal */
  static async read(of: OneColumn, signal?: AbortSignal): Promise<FreeLines> {
    const { binding, transactions } = of
    const since = await transactions.run(runner => beginning(runner, of))
    return new FreeLines(since, await NamedFiles.read(binding, file => !isOld(file), signal))
  }

  /** @param line undefined where the ledger knows nothing of the object */
  has(key: LineKey, line: LockedLine | undefined): boolean {
    if (line === undefined || line.state === 'kept') return true
    return line.state === 'attached' && line.updatedAt < this.#since && !this.#named.has(key)
  }
}

/** Another runner may have written a line that we see, and not yet committed the row, which we do not. */
async function beginning(runner: QueryRunner, { binding, journal }: OneColumn): Promise<number> {
  const { sql } = binding
  const { rows } = await execute(
    runner,
    sql.build(() => `SELECT ${sql.dialect.now} AS now`),
  )
  return Number(rows[0]?.now) - ((await journal.isAnyoneMoving(runner)) ? MARGIN : 0)
}
