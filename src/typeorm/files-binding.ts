import type { DataSource, QueryRunner, ReplicationMode } from 'typeorm'
import { StorageError } from '../core/errors.js'
import type { LedgerSlot } from '../core/ledger-registry.js'
import type { Storage } from '../core/storage.js'
import { boundTo, markBound } from './bound.js'
import type { BulkWrites } from './bulk/bulk-guard.js'
import { BulkWriting } from './bulk-writing.js'
import type { Dialect } from './dialect.js'
import { bindFileColumns, type FileEntities } from './file-metadata.js'
import { keepFilesWithTexts } from './file-text.js'
import { DatabaseLedger } from './ledger.js'
import type { LedgerConnection } from './ledger-connection.js'
import { LedgerSql, type LineKey } from './ledger-sql.js'
import { LedgerStatements } from './ledger-statements.js'
import { LEDGER_ENTITY } from './ledger-table.js'
import { PoolConnection } from './pool-connection.js'
import type { Quota } from './quota/quota.js'
import { QuotaGate } from './quota/quota-gate.js'
import { LedgerReaper } from './reaper/ledger-reaper.js'
import { ReapStatements } from './reaper/reap-statements.js'
import { ReleasedFiles } from './reaper/released-files.js'
import { SharedConnection, TransactionScopes } from './shared-connection.js'
import type { StatementClaims } from './statement-claims.js'
import { fileKeepers } from './subscriber.js'

/** What a {@link FilesBinding} joins. */
export interface FilesBindingOptions {
  readonly storage: Storage
  readonly dataSource: DataSource
  readonly dialect: Dialect
  readonly slot: LedgerSlot
  /** In milliseconds. */
  readonly lease: number
  readonly quota: Quota | undefined
  readonly reap: 'after-commit' | 'later'
  readonly bulkWrites: BulkWrites
}

/** A DataSource with everything that was bound to it. */
export interface OpenBinding {
  readonly storage: Storage
  readonly dataSource: DataSource
  readonly entities: FileEntities
  readonly sql: LedgerSql
  readonly ledger: DatabaseLedger
  /** In milliseconds. */
  readonly lease: number
  readonly quota: Quota | undefined
}

/** The steps of a DataSource's life that get something added; `buildMetadatas` is protected in TypeORM's types. */
interface Steps {
  initialize(): Promise<unknown>
  buildMetadatas(): Promise<void>
  destroy(): Promise<void>
  createQueryRunner(mode?: ReplicationMode): QueryRunner
}

/** @throws ERR_CONFIG for a DataSource that was not given to `withFiles` */
export function bindingOf(dataSource: DataSource): FilesBinding {
  const binding = boundTo(dataSource)
  if (binding instanceof FilesBinding) return binding
  throw new StorageError(
    'ERR_CONFIG',
    'This DataSource was not given to withFiles(storage, dataSource) by this copy of tenant-files.',
  )
}

/** One DataSource's ties to one storage, through any number of `initialize()` and `destroy()`. */
export class FilesBinding {
  readonly #options: FilesBindingOptions
  readonly #transactions = new TransactionScopes()
  #sql: LedgerSql | undefined
  #entities: FileEntities = new Map()
  #claims: StatementClaims | undefined
  /** Query runners from before `initialize()`, when it is not yet known what to watch for. */
  readonly #early: QueryRunner[] = []
  #bulk: BulkWriting | undefined
  #ledger: DatabaseLedger | undefined

  constructor(options: FilesBindingOptions) {
    this.#options = options
  }

  /** Known before the DataSource is initialized. */
  get storage(): Storage {
    return this.#options.storage
  }

  /** What belongs to the DataSource while it is initialized. @throws ERR_LEDGER_NOT_READY */
  open(): OpenBinding {
    const { storage, dataSource, lease, quota } = this.#options
    const sql = this.#sql
    const ledger = this.#ledger
    if (sql !== undefined && ledger !== undefined)
      return { storage, dataSource, entities: this.#entities, sql, ledger, lease, quota }
    return notInitialized()
  }

  /** Usable in migrations, which run before the ledger opens. @throws ERR_LEDGER_NOT_READY */
  get bulk(): BulkWriting {
    return this.#bulk ?? notInitialized()
  }

  /** Wraps the DataSource's own methods, and lets {@link bindingOf} find this. */
  attach(): void {
    const { dataSource, dialect } = this.#options
    markBound(dataSource, this)
    const steps = dataSource as unknown as Steps
    const original: Steps = {
      initialize: steps.initialize.bind(dataSource),
      buildMetadatas: steps.buildMetadatas.bind(dataSource),
      destroy: steps.destroy.bind(dataSource),
      createQueryRunner: steps.createQueryRunner.bind(dataSource),
    }
    Object.assign(steps, {
      initialize: () => this.#initialize(original),
      buildMetadatas: () => this.#buildMetadatas(original),
      destroy: () => this.#destroy(original),
      createQueryRunner: (mode?: ReplicationMode) => this.#createQueryRunner(original, mode),
    })
    keepFilesWithTexts(dataSource)
    if (!dialect.ownPool) this.#transactions.watch(dataSource.manager)
  }

  async #initialize(original: Steps): Promise<DataSource> {
    const { storage, dataSource } = this.#options
    await storage.ready()
    await original.initialize()
    try {
      await this.#open()
    } catch (error) {
      await dataSource.destroy()
      throw error
    }
    return dataSource
  }

  /**
   * Here, and not after `initialize`: migrations and `synchronize` run in between, and the command line takes
   * an application's subscribers out of the options, so a migration that saves files would claim none.
   */
  async #buildMetadatas(original: Steps): Promise<void> {
    const { storage, dataSource, dialect, lease, bulkWrites } = this.#options
    await original.buildMetadatas()
    const entities = bindFileColumns(dataSource, storage, this)
    const sql = new LedgerSql(dialect, dataSource.getMetadata(LEDGER_ENTITY))
    const released = new ReleasedFiles(keys => this.#reapSoon(keys))
    const { subscribers, statements, claims } = fileKeepers(storage, entities, { sql, lease, released })
    const bulk = { dataSource, storage, entities, claims, statements, sql }
    this.#bulk = new BulkWriting(bulk, bulkWrites)
    dataSource.subscribers.push(...subscribers, ...this.#bulk.guards())
    this.#sql = sql
    this.#entities = entities
    this.#claims = statements
    for (const runner of this.#early.splice(0)) statements.watch(runner)
  }

  #createQueryRunner(original: Steps, mode?: ReplicationMode): QueryRunner {
    const runner = original.createQueryRunner(mode)
    if (this.#claims === undefined) this.#early.push(runner)
    else this.#claims.watch(runner)
    return runner
  }

  async #open(): Promise<void> {
    const { storage, slot, lease, quota } = this.#options
    const sql = this.#sql
    if (sql === undefined) return
    const connection = await this.#connect()
    const reaper = new LedgerReaper(storage, connection, new ReapStatements(sql))
    const gate = quota && new QuotaGate(quota, sql)
    this.#ledger = new DatabaseLedger(connection, new LedgerStatements(sql), { lease, reaper, gate })
    await this.#bulk?.warnOfCascades()
    slot.open(this.#ledger)
  }

  #reapSoon(keys: readonly LineKey[]): void {
    if (this.#options.reap === 'after-commit') this.#ledger?.reaper.soon(keys)
  }

  async #connect(): Promise<LedgerConnection> {
    const { dataSource, dialect } = this.#options
    if (dialect.ownPool) return PoolConnection.open(dataSource.options)
    return new SharedConnection(dataSource, this.#transactions)
  }

  async #destroy(original: Steps): Promise<void> {
    const ledger = this.#ledger
    this.#ledger = undefined
    this.#claims = undefined
    this.#options.slot.close()
    try {
      await ledger?.close()
    } finally {
      await original.destroy()
    }
  }
}

function notInitialized(): never {
  throw new StorageError(
    'ERR_LEDGER_NOT_READY',
    'This DataSource is not initialized. Call `await dataSource.initialize()` first.',
  )
}
