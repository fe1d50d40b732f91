import type { QueryRunner } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { publish } from '../core/events.js'
import type { StageEntry } from '../core/ledger.js'
import type { Storage } from '../core/storage.js'
import type { StoredFile } from '../core/stored-file.js'
import { chunks } from './chunks.js'
import { execute } from './execute.js'
import { assertOwner, lineOf } from './file-line.js'
import type { LedgerSql, LineKey } from './ledger-sql.js'
import { LedgerStatements } from './ledger-statements.js'
import type { ReleasedFiles } from './reaper/released-files.js'
import { release } from './release-statements.js'
import { type Rollbacks, rolledBack } from './rollbacks.js'
import type { Fate, Release } from './work.js'

// Lines in one statement; databases and their planners take far more.
const CHUNK = 200

/** Moves lines of the ledger on the connection, and so in the transaction, of the entity that holds the files. */
export class Claims {
  readonly #storage: Storage
  readonly #sql: LedgerSql
  readonly #statements: LedgerStatements
  readonly #lease: number
  readonly #rollbacks: Rollbacks
  readonly #released: ReleasedFiles

  /** @param lease in milliseconds, begun anew when a claim is given back */
  constructor(
    storage: Storage,
    sql: LedgerSql,
    lease: number,
    rollbacks: Rollbacks,
    released: ReleasedFiles,
  ) {
    this.#storage = storage
    this.#sql = sql
    this.#statements = new LedgerStatements(sql)
    this.#lease = lease
    this.#rollbacks = rollbacks
    this.#released = released
  }

  /**
   * For files that a row is about to hold: all or none. It must come before the row: an application that swallows
   * the error and commits would keep a row whose file belongs to somebody else.
   *
   * @throws ERR_FILE_STALE, ERR_TENANT_MISMATCH
   */
  async claim(runner: QueryRunner, files: readonly StoredFile[]): Promise<LineKey[]> {
    const keys = files.map(file => this.#lineOf(file))
    const claimed: LineKey[] = []
    const stands = this.#rollbacks.watch(runner)
    for (const part of chunks(keys, this.#sql.dialect.claimsAtOnce)) {
      if (!stands()) throw rolledBack()
      const { hit, rows } = await execute(runner, this.#statements.claim(part))
      claimed.push(...(hit === part.length ? part : rows.map(keyOf)))
      if (hit === part.length) continue
      // What a rollback has given back may be somebody else's by now.
      if (stands()) await this.giveBack(runner, claimed)
      throw stale()
    }
    return keys
  }

  /** attached → pending, with a fresh lease; never rejects. */
  async giveBack(runner: QueryRunner, keys: readonly LineKey[]): Promise<void> {
    if (keys.length === 0) return
    // What cannot be given back stays attached without a row, which reconcile finds; the caller needs his error.
    await execute(runner, this.#statements.giveBack(keys, this.#lease)).catch(() => {})
  }

  /** @see giveBack */
  giveFilesBack(runner: QueryRunner, files: readonly StoredFile[]): Promise<void> {
    return this.giveBack(
      runner,
      files.map(file => this.#lineOf(file)),
    )
  }

  /** For files whose rows are written without them, or gone. @throws ERR_FILE_STALE after a rollback */
  async release(runner: QueryRunner, releases: readonly Release[]): Promise<void> {
    const stands = this.#rollbacks.watch(runner)
    for (const [fate, entries] of this.#byFate(releases)) {
      for (const part of chunks(entries, CHUNK)) {
        // The rows hold these files again.
        if (!stands()) throw rolledBack()
        await execute(runner, release(this.#sql, part, fate))
        if (fate === 'delete') this.#released.add(runner, part)
      }
    }
  }

  /** Each line once: twice in one statement is an error to PostgreSQL. */
  #byFate(releases: readonly Release[]): [Fate, StageEntry[]][] {
    const groups = new Map<string, [Fate, StageEntry[]]>()
    const seen = new Set<string>()
    for (const { file, fate } of releases) {
      const line = this.#lineOrLeftover(file)
      const key = JSON.stringify([line?.backend, line?.objectKey])
      if (line === undefined || seen.has(key)) continue
      seen.add(key)
      const group = groups.get(JSON.stringify(fate)) ?? [fate, []]
      groups.set(JSON.stringify(fate), group)
      group[1].push(line)
    }
    return [...groups.values()]
  }

  /** @throws ERR_FILE_STALE, ERR_TENANT_MISMATCH */
  #lineOf(file: StoredFile): StageEntry {
    const line = lineOf(this.#storage, file)
    if (line === undefined) throw stale()
    assertOwner(this.#storage, file, 'claim')
    return line
  }

  /** The row goes whatever it held, so what cannot be deleted with it is said and left. */
  #lineOrLeftover(file: StoredFile): StageEntry | undefined {
    const { backend, key } = file
    try {
      const line = lineOf(this.#storage, file)
      if (line === undefined) throw unlocatable()
      assertOwner(this.#storage, file, 'release')
      return line
    } catch (error) {
      publish('leftover', { backend, key, error })
      return undefined
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
    'This file is not free to be saved: it belongs to another row, was replaced or removed meanwhile, or waited too long for its row. Load the row again, or upload the file again; for a second row with the same content, copyFile() makes a file of its own.',
  )
}
