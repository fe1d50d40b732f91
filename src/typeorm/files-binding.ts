import type { DataSource } from 'typeorm'
import { StorageError } from '../core/errors.js'
import type { LedgerSlot } from '../core/ledger-registry.js'
import type { Storage } from '../core/storage.js'
import type { BulkWrites } from './bulk/bulk-guard.js'
import { BulkWriting } from './bulk-writing.js'
import type { Dialect } from './dialect.js'
import { bindFileColumns } from './file-metadata.js'
import { DatabaseLedger } from './ledger.js'
import type { LedgerConnection } from './ledger-connection.js'
import { LedgerSql } from './ledger-sql.js'
import { LedgerStatements } from './ledger-statements.js'
import { LEDGER_ENTITY } from './ledger-table.js'
import { PoolConnection } from './pool-connection.js'
import type { Quota } from './quota/quota.js'
import { QuotaGate } from './quota/quota-gate.js'
import { SharedConnection, TransactionScopes } from './shared-connection.js'
import { fileSubscribers } from './subscriber.js'

/** What a {@link FilesBinding} joins. */
export interface FilesBindingOptions {
  readonly storage: Storage
  readonly dataSource: DataSource
  readonly dialect: Dialect
  readonly slot: LedgerSlot
  /** In milliseconds. */
  readonly lease: number
  readonly quota: Quota | undefined
  readonly bulkWrites: BulkWrites
}

/** The steps of a DataSource's life that get something added; `buildMetadatas` is protected in TypeORM's types. */
interface Steps {
  initialize(): Promise<unknown>
  buildMetadatas(): Promise<void>
  destroy(): Promise<void>
}

/** Where a DataSource keeps its binding. Two copies of this package must not bind one DataSource twice either. */
export const BOUND = Symbol.for('tenant-files.bound')

/** One DataSource's ties to one storage, through any number of `initialize()` and `destroy()`. */
export class FilesBinding {
  readonly #options: FilesBindingOptions
  readonly #transactions = new TransactionScopes()
  #sql: LedgerSql | undefined
  #bulk: BulkWriting | undefined
  #ledger: DatabaseLedger | undefined

  constructor(options: FilesBindingOptions) {
    this.#options = options
  }

  /** Wraps the DataSource's own methods. */
  attach(): void {
    const { dataSource, dialect } = this.#options
    const steps = dataSource as unknown as Steps
    const original: Steps = {
      initialize: steps.initialize.bind(dataSource),
      buildMetadatas: steps.buildMetadatas.bind(dataSource),
      destroy: steps.destroy.bind(dataSource),
    }
    Object.assign(steps, {
      initialize: () => this.#initialize(original),
      buildMetadatas: () => this.#buildMetadatas(original),
      destroy: () => this.#destroy(original),
    })
    if (!dialect.ownPool) this.#transactions.watch(dataSource.manager)
  }

  /** @throws ERR_CONFIG before `initialize()` */
  get bulk(): BulkWriting {
    if (this.#bulk !== undefined) return this.#bulk
    throw new StorageError('ERR_CONFIG', 'This DataSource is not initialized. Wait for initialize().')
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
    const { subscribers, claims } = fileSubscribers(storage, entities, new LedgerStatements(sql), lease)
    const bulk = { dataSource, storage, entities, claims, ledger: sql, lock: dialect.ownPool }
    this.#bulk = new BulkWriting(bulk, bulkWrites)
    dataSource.subscribers.push(...subscribers, ...this.#bulk.guards())
    this.#sql = sql
  }

  async #open(): Promise<void> {
    const { slot, lease, quota } = this.#options
    const sql = this.#sql
    if (sql === undefined) return
    const connection = await this.#connect()
    const gate = quota && new QuotaGate(quota, sql)
    this.#ledger = new DatabaseLedger(connection, new LedgerStatements(sql), lease, gate)
    await this.#bulk?.warnOfCascades()
    slot.open(this.#ledger)
  }

  async #connect(): Promise<LedgerConnection> {
    const { dataSource, dialect } = this.#options
    if (dialect.ownPool) return PoolConnection.open(dataSource.options)
    return new SharedConnection(dataSource, this.#transactions)
  }

  async #destroy(original: Steps): Promise<void> {
    const ledger = this.#ledger
    this.#ledger = undefined
    this.#options.slot.close()
    try {
      await ledger?.close()
    } finally {
      await original.destroy()
    }
  }
}
