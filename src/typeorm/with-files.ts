import { type DataSource, EntitySchema } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { assertKnownOptions, type OptionNames } from '../core/known-options.js'
import type { Storage } from '../core/storage.js'
import { boundTo } from './bound.js'
import type { BulkWrites } from './bulk/bulk-guard.js'
import { dialectOf } from './dialect.js'
import { FilesBinding } from './files-binding.js'
import { LEDGER_ENTITY, type LedgerTableOptions, ledgerSchema } from './ledger-table.js'
import { Quota, type QuotaOption } from './quota/quota.js'

/** How {@link withFiles} binds a DataSource. */
export interface WithFilesOptions {
  /** The name that `createStorage({ ledgerOf })` chooses this DataSource by. Default: `default`. */
  ledger?: string
  /** Where the ledger's table lies. Default: `file_ledger` in the DataSource's own schema. */
  table?: LedgerTableOptions
  /**
   * How long an uploaded file waits for its row, in seconds. While bytes flow the lease is renewed. Default: 900.
   */
  lease?: number
  /**
   * How much each tenant may keep on this DataSource's files: bytes, text such as `10gb`, or a function by tenant.
   * Default: no limit.
   */
  quota?: QuotaOption
  /**
   * When the bytes of replaced and removed files are deleted. `after-commit`: at once, by the process that committed,
   * behind its back; `later`: by {@link startReaper} alone, for example in a worker. Default: `after-commit`.
   */
  reap?: 'after-commit' | 'later'
  /**
   * What happens to bulk writes that TypeORM announces without saying which rows they hit, on entities whose rows hold
   * files or take such rows with them: `delete(id)`, `update()` of a file column, and their query builders. `refuse`:
   * ERR_BULK_WRITE. `warn`: it passes, and the event `warning` says so. `allow`: it passes, for applications that
   * reconcile. Where triggers see to the files it passes in any case. Default: `refuse`.
   */
  bulkWrites?: BulkWrites
}

const OPTIONS: OptionNames<WithFilesOptions> = {
  ledger: 'known',
  table: 'known',
  lease: 'known',
  quota: 'known',
  reap: 'known',
  bulkWrites: 'known',
}

const TABLE_OPTIONS: OptionNames<LedgerTableOptions> = { name: 'known', schema: 'known' }

const DEFAULT_LEASE = 900

/**
 * Gives a storage to a DataSource: its file columns read and write files of this storage, and uploads are written
 * down in its database, so that rows and bytes stay true to each other.
 *
 * To be called before `initialize()`, which then also waits for `storage.ready()`. Nothing else changes for the
 * application; in NestJS it goes into `dataSourceFactory`.
 *
 * @returns the same instance
 * @throws ERR_LEDGER_AMBIGUOUS for a second DataSource of one storage, ERR_CONFIG for a DataSource that is
 *   initialized or bound already, or whose database is not supported, and for an option that does not exist. `initialize()` throws ERR_CONFIG for a
 *   column on an unknown disk, and for children of one table with clashing file columns
 * @example
 * export const dataSource = withFiles(storage, new DataSource({ type: 'postgres', entities: [OrderFile] }))
 * await dataSource.initialize()
 */
export function withFiles<D extends DataSource>(
  storage: Storage,
  dataSource: D,
  options: WithFilesOptions = {},
): D {
  assertKnownOptions('withFiles()', options, OPTIONS)
  assertKnownOptions('table', options.table ?? {}, TABLE_OPTIONS)
  if ((storage as Partial<Storage> | undefined)?.ledgers === undefined) {
    throw new StorageError('ERR_CONFIG', 'The storage comes first: withFiles(storage, dataSource).')
  }
  assertFree(dataSource)
  const dialect = dialectOf(dataSource)
  const lease = leaseOf(options)
  const reap = reapOf(options)
  const bulkWrites = bulkWritesOf(options)
  const quota = options.quota === undefined ? undefined : new Quota(options.quota)
  const schema = ledgerSchema(dialect, options.table ?? {})
  const slot = storage.ledgers.register(options.ledger ?? 'default')
  dataSource.setOptions({ entities: withLedger(dataSource.options.entities, schema) })
  new FilesBinding({ storage, dataSource, dialect, slot, lease, reap, quota, bulkWrites }).attach()
  return dataSource
}

function assertFree(dataSource: DataSource): void {
  if (dataSource.isInitialized) {
    throw new StorageError(
      'ERR_CONFIG',
      'This DataSource is initialized already. Call withFiles() before initialize().',
    )
  }
  if (boundTo(dataSource) === undefined) return
  throw new StorageError('ERR_CONFIG', 'This DataSource was given to withFiles() before.')
}

/** @returns milliseconds */
function leaseOf({ lease = DEFAULT_LEASE }: WithFilesOptions): number {
  if (Number.isInteger(lease) && lease > 0) return lease * 1000
  throw new StorageError('ERR_CONFIG', `lease is a positive whole number of seconds; got ${lease}.`)
}

function bulkWritesOf({ bulkWrites = 'refuse' }: WithFilesOptions): BulkWrites {
  if (['refuse', 'warn', 'allow'].includes(bulkWrites)) return bulkWrites
  throw new StorageError('ERR_CONFIG', `bulkWrites is refuse, warn or allow; got ${bulkWrites}.`)
}

function reapOf({ reap = 'after-commit' }: WithFilesOptions): 'after-commit' | 'later' {
  if (['after-commit', 'later'].includes(reap)) return reap
  throw new StorageError('ERR_CONFIG', `reap is "after-commit" or "later"; got ${JSON.stringify(reap)}.`)
}

type Entities = DataSource['options']['entities']

/** The application's entities, as a list or by name as it gave them, and the ledger's own. */
function withLedger(entities: Entities, schema: EntitySchema): NonNullable<Entities> {
  // Two DataSources may share one object of options, so a ledger may be there already.
  const isForeign = (entity: unknown) =>
    !(entity instanceof EntitySchema && entity.options.name === LEDGER_ENTITY)
  if (entities === undefined || Array.isArray(entities)) {
    return [...(entities ?? []).filter(isForeign), schema]
  }
  return { ...entities, [LEDGER_ENTITY]: schema }
}
