import { randomUUID } from 'node:crypto'
import { DataSource, type DataSourceOptions, type Logger } from 'typeorm'
import type { Driver } from '../../src/core/driver.js'
import type { FileRules } from '../../src/core/rules.js'
import { createStorage, type Storage } from '../../src/core/storage.js'
import type { StoredFile } from '../../src/core/stored-file.js'
import { runWithTenant } from '../../src/core/tenant.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { type WithFilesOptions, withFiles } from '../../src/typeorm/index.js'
import { storeFile } from '../../src/upload/index.js'
import { afterThisTest } from '../support/ends.js'

/** Options of a DataSource on an empty database. */
export type FreshOptions = () => Promise<DataSourceOptions>

export function memoryStorage(backends: Record<string, Driver> = { memory: new MemoryDriver() }): Storage {
  return createStorage({ secret: randomUUID(), backends, writeTo: Object.keys(backends)[0] })
}

/** A DataSource that is destroyed after the test. */
export function dataSourceOf(options: DataSourceOptions): DataSource {
  const dataSource = new DataSource({ synchronize: true, ...options } as DataSourceOptions)
  afterThisTest(async () => {
    if (dataSource.isInitialized) await dataSource.destroy()
  })
  return dataSource
}

export interface House {
  readonly storage: Storage
  readonly dataSource: DataSource
  readonly log: QueryLog
}

/** A storage and an initialized DataSource that belong together. Nothing is reaped unless the test does it. */
export async function house(
  fresh: FreshOptions,
  entities: NonNullable<DataSourceOptions['entities']>,
  more: Partial<DataSourceOptions> & WithFilesOptions & { storage?: Storage } = {},
): Promise<House> {
  const {
    storage = memoryStorage(),
    ledger,
    table,
    lease,
    quota,
    reap = 'later',
    bulkWrites,
    ...options
  } = more
  const log = new QueryLog()
  const base = { ...(await fresh()), entities, logger: log, ...options } as DataSourceOptions
  const dataSource = withFiles(storage, dataSourceOf(base), { ledger, table, lease, quota, reap, bulkWrites })
  await dataSource.initialize()
  return { storage, dataSource, log }
}

/** Uploads a small text as a tenant. */
export function upload(
  { storage }: Pick<House, 'storage'>,
  rules: FileRules,
  options: { tenant?: string; name?: string; body?: string } = {},
): Promise<StoredFile> {
  const { tenant = 'acme', name = 'a.txt', body = 'hello' } = options
  return runWithTenant(tenant, () => storeFile(storage, Buffer.from(body), rules, { name }))
}

export interface Line {
  object_key: string
  backend: string
  tenant: string | null
  state: string
  size: string | number | null
  expires_at: string | number | null
  upload_id: string | null
  attempts: number
  error: string | null
  token: string | null
}

/** The ledger as it stands. */
export async function ledgerOf(dataSource: DataSource, table = 'file_ledger'): Promise<Line[]> {
  const lines: Line[] = await dataSource.query(`SELECT * FROM ${table} ORDER BY created_at, object_key`)
  // MariaDB gives the key as bytes.
  return lines.map(line => ({
    ...line,
    backend: String(line.backend),
    object_key: String(line.object_key),
  }))
}

/** How many lines are in each state. */
export async function states(dataSource: DataSource): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { state } of await ledgerOf(dataSource)) counts[state] = (counts[state] ?? 0) + 1
  return counts
}

/** The state of a file's line. */
export async function stateOf(dataSource: DataSource, file: StoredFile): Promise<string | undefined> {
  return (await ledgerOf(dataSource)).find(({ object_key }) => object_key.endsWith(file.key))?.state
}

/** Remembers every statement. */
export class QueryLog implements Logger {
  readonly queries: string[] = []

  logQuery(query: string): void {
    this.queries.push(query)
  }

  /** What was asked since the last call, without the reads. */
  writes(): string[] {
    return this.queries.splice(0).filter(query => /^\s*(INSERT|UPDATE|DELETE)/i.test(query))
  }

  logQueryError(): void {}
  logQuerySlow(): void {}
  logSchemaBuild(): void {}
  logMigration(): void {}
  log(): void {}
}
