import type { QueryRunner } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { publish } from '../core/events.js'
import type { StageEntry } from '../core/ledger.js'
import type { Storage } from '../core/storage.js'
import type { StoredFile } from '../core/stored-file.js'
import { chunks } from './chunks.js'
import { execute } from './execute.js'
import { assertOwner, lineOf } from './file-line.js'
import type { LineKey } from './ledger-sql.js'
import type { LedgerStatements } from './ledger-statements.js'
import type { OpenClaims } from './open-claims.js'
import type { ReleasedFiles } from './reaper/released-files.js'
import { type Rollbacks, rolledBack } from './rollbacks.js'
import type { Claim, Work } from './work.js'

// Lines in one statement; databases and their planners take far more.
const CHUNK = 200

/** Moves lines of the ledger on the connection, and so in the transaction, of the entity that holds the files. */
export class Claims {
  readonly #storage: Storage
  readonly #statements: LedgerStatements
  readonly #open: OpenClaims
  readonly #rollbacks: Rollbacks
  readonly #released: ReleasedFiles

  constructor(
    storage: Storage,
    statements: LedgerStatements,
    open: OpenClaims,
    rollbacks: Rollbacks,
    released: ReleasedFiles,
  ) {
    this.#storage = storage
    this.#statements = statements
    this.#open = open
    this.#rollbacks = rollbacks
    this.#released = released
  }

  /**
   * Before the rows are written. A claim that fails must come before the row: an application that swallows the
   * error and commits would keep a row whose file belongs to somebody else.
   *
   * @throws ERR_FILE_STALE
   */
  async before(runner: QueryRunner, work: readonly Work[]): Promise<void> {
    const claims = work.flatMap(({ claim }) => claim)
    if (claims.length === 0) return
    await this.#open.add(runner, async () => {
      const keys = await this.#claim(runner, claims)
      return keys.flatMap((key, index) => {
        const text = claims[index]?.text
        return text === undefined ? [] : [{ key, text }]
      })
    })
  }

  /**
   * After the rows are written: the files they held are to be deleted. What another hook put into a column
   * after our look is claimed now.
   *
   * @throws ERR_FILE_STALE
   */
  async after(runner: QueryRunner, work: readonly Work[]): Promise<void> {
    const stands = this.#rollbacks.watch(runner)
    await this.#claim(
      runner,
      work.flatMap(({ claim }) => claim),
    )
    await this.#queueDelete(
      runner,
      work.flatMap(({ remove }) => remove),
      stands,
    )
  }

  /** All or none: where one is not free, those that were are given back. */
  async #claim(runner: QueryRunner, claims: readonly Claim[]): Promise<LineKey[]> {
    const keys = claims.map(({ file }) => this.#lineOf(file))
    const claimed: LineKey[] = []
    const stands = this.#rollbacks.watch(runner)
    for (const part of chunks(keys, this.#statements.dialect.claimsAtOnce)) {
      if (!stands()) throw rolledBack()
      const { hit, rows } = await execute(runner, this.#statements.claim(part))
      claimed.push(...(hit === part.length ? part : rows.map(keyOf)))
      if (hit === part.length) continue
      // What a rollback has given back may be somebody else's by now.
      if (stands()) await this.#open.giveBack(runner, claimed)
      throw stale()
    }
    return keys
  }

  async #queueDelete(
    runner: QueryRunner,
    files: readonly StoredFile[],
    stands: () => boolean,
  ): Promise<void> {
    const lines = files.flatMap(file => this.#lineOrLeftover(file))
    // The same line twice in one statement is an error to PostgreSQL.
    const unique = [...new Map(lines.map(line => [`${line.backend}/${line.objectKey}`, line])).values()]
    for (const part of chunks(unique, CHUNK)) {
      // The rows hold these files again.
      if (!stands()) throw rolledBack()
      await execute(runner, this.#statements.queueDelete(part))
      this.#released.add(runner, part)
    }
  }

  /** @throws ERR_FILE_STALE, ERR_TENANT_MISMATCH */
  #lineOf(file: StoredFile): StageEntry {
    const line = lineOf(this.#storage, file)
    if (line === undefined) throw stale()
    assertOwner(this.#storage, file, 'claim')
    return line
  }

  /** The row goes whatever it held, so what cannot be deleted with it is said and left. */
  #lineOrLeftover(file: StoredFile): StageEntry[] {
    const { backend, key } = file
    try {
      const line = lineOf(this.#storage, file)
      if (line === undefined) throw unlocatable()
      assertOwner(this.#storage, file, 'release')
      return [line]
    } catch (error) {
      publish('leftover', { backend, key, error })
      return []
    }
  }
}

function keyOf(row: Record<string, unknown>): LineKey {
  return { backend: String(row.backend), objectKey: String(row.object_key) }
}

function unlocatable(): StorageError {
  return new StorageError('ERR_DISK_UNKNOWN', 'A replaced or removed file cannot be located any more.')
}

function stale(): StorageError {
  return new StorageError(
    'ERR_FILE_STALE',
    'This file is not free to be saved: it belongs to another row, was replaced or removed meanwhile, or waited too long for its row. Load the row again, or upload the file again.',
  )
}
