import type { DataSource, EntitySchemaColumnOptions } from 'typeorm'
import { StorageError } from '../core/errors.js'

/** What the supported databases say differently. */
export interface Dialect {
  readonly family: 'postgres' | 'mysql' | 'sqlite'
  /** The primary key, compared byte by byte: two keys that differ in case or accents are two objects. */
  readonly backendColumn: EntitySchemaColumnOptions
  readonly objectKeyColumn: EntitySchemaColumnOptions
  /** Compared byte by byte too: `acme` and `Acme` are two customers. */
  readonly tenantColumn: EntitySchemaColumnOptions
  /** Milliseconds since 1970 by the database's clock, so that the clocks of workers do not matter. */
  readonly now: string
  /** The moment in which the statement began: the same for all lines, so that an index can be used. */
  readonly nowOfStatement: string
  /** What locks the lines of a SELECT, and leaves out those that others have locked. */
  readonly lockFree: string
  /** The start of an INSERT that may be said twice. */
  readonly insert: string
  /** An INSERT of lines that does nothing where their key exists: how it begins, and how it ends. */
  readonly insertAbsent: { readonly insert: string; readonly end: string }
  /** What follows an INSERT of lines whose key may exist; the assignments come after it. */
  readonly onDuplicate: string
  /** Whether the ledger has connections of its own, and rows are locked against those of others. */
  readonly ownPool: boolean
  /** How many lines one statement may claim: several only where it returns those that it hit. */
  readonly claimsAtOnce: number
  /** Whether a failed statement undoes its whole transaction. */
  readonly abortsOnError: boolean
}

const postgres: Dialect = {
  family: 'postgres',
  backendColumn: { type: 'varchar', length: 64, collation: 'C' },
  objectKeyColumn: { type: 'text', collation: 'C' },
  tenantColumn: { type: 'varchar', length: 64 },
  now: 'CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS bigint)',
  nowOfStatement: 'CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS bigint)',
  lockFree: ' FOR UPDATE SKIP LOCKED',
  insert: 'INSERT INTO',
  insertAbsent: { insert: 'INSERT INTO', end: ' ON CONFLICT (backend, object_key) DO NOTHING' },
  onDuplicate: 'ON CONFLICT (backend, object_key) DO UPDATE SET',
  ownPool: true,
  claimsAtOnce: 200,
  abortsOnError: true,
}

const bytesAsText = {
  to: (value: unknown) => value,
  from: (value: unknown) => (Buffer.isBuffer(value) ? value.toString() : value),
}

const mysql: Dialect = {
  family: 'mysql',
  // Bytes, not characters: the binary collations of both servers ignore spaces at the end, and "a" is not "a ".
  backendColumn: { type: 'varbinary', length: 64, transformer: bytesAsText },
  objectKeyColumn: { type: 'varbinary', length: 1024, transformer: bytesAsText },
  tenantColumn: { type: 'varchar', length: 64, charset: 'ascii', collation: 'ascii_bin' },
  now: 'CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED)',
  nowOfStatement: 'CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)',
  lockFree: ' FOR UPDATE SKIP LOCKED',
  insert: 'INSERT INTO',
  insertAbsent: { insert: 'INSERT IGNORE INTO', end: '' },
  onDuplicate: 'ON DUPLICATE KEY UPDATE',
  ownPool: true,
  claimsAtOnce: 1,
  abortsOnError: false,
}

// SQLite compares text byte by byte unless told otherwise.
const sqlite: Dialect = {
  family: 'sqlite',
  backendColumn: { type: 'varchar', length: 64 },
  objectKeyColumn: { type: 'text' },
  tenantColumn: { type: 'varchar', length: 64 },
  now: "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
  nowOfStatement: "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
  lockFree: '',
  insert: 'INSERT OR IGNORE INTO',
  insertAbsent: { insert: 'INSERT OR IGNORE INTO', end: '' },
  onDuplicate: 'ON CONFLICT (backend, object_key) DO UPDATE SET',
  ownPool: false,
  claimsAtOnce: 1,
  abortsOnError: false,
}

const DIALECTS: ReadonlyMap<string, Dialect> = new Map([
  ['postgres', postgres],
  ['mysql', mysql],
  ['mariadb', mysql],
  ['better-sqlite3', sqlite],
  ['sqlite', sqlite],
  ['sqljs', sqlite],
])

/** @throws ERR_CONFIG for a database that the ledger cannot live in */
export function dialectOf(dataSource: DataSource): Dialect {
  const dialect = DIALECTS.get(dataSource.options.type)
  if (dialect !== undefined) return dialect
  throw new StorageError(
    'ERR_CONFIG',
    `withFiles() works on ${[...DIALECTS.keys()].join(', ')}; this DataSource is of the type "${dataSource.options.type}".`,
  )
}
