import { EntitySchema, type EntitySchemaColumnOptions } from 'typeorm'
import type { Dialect } from './dialect.js'

/**
 * What is known of an object: `pending` is uploaded, and waits for a row; `attached` has one; `kept` has none any
 * more, and stays for some days; `delete` is to be deleted; `expired` waited too long for a row, and is to be deleted;
 * `reaped` was, and is looked after once more, since a slow backend may still complete a lost request; `dead` could not
 * be deleted.
 */
export type LedgerState = 'pending' | 'attached' | 'kept' | 'delete' | 'expired' | 'reaped' | 'dead'

/** One line of the ledger. All times are milliseconds since 1970, by the database's clock. */
export interface LedgerLine {
  backend: string
  objectKey: string
  disk: string
  tenant: string | null
  state: LedgerState
  /** In bytes; null until the upload is complete. */
  size: number | null
  /** Bytes that a quota sets aside for a pending line of unknown size. */
  reserved: number | null
  /** The end of a pending line's lease; for all others the next time that the reaper looks at them. */
  expiresAt: number | null
  /** An open multipart upload. */
  uploadId: string | null
  /** How often the deletion failed. */
  attempts: number
  /** Why it failed last. */
  error: string | null
  /** Of the reaper that works on the line until `expiresAt`. */
  token: string | null
  createdAt: number
  updatedAt: number
}

/** Where the ledger's table lies. */
export interface LedgerTableOptions {
  /** Default: `file_ledger`. */
  name?: string
  /** Default: the DataSource's own. */
  schema?: string
}

/** The name of the ledger's entity in TypeORM's metadata. */
export const LEDGER_ENTITY = 'TenantFilesLedger'

// PostgreSQL gives a bigint as text. All our numbers are far below 2^53.
const asNumber = {
  to: (value: number | null) => value,
  from: (value: string | number | null) => (value === null ? null : Number(value)),
}

/** The table of the ledger as an entity, so that `synchronize` and `migration:generate` see it. */
export function ledgerSchema(dialect: Dialect, table: LedgerTableOptions): EntitySchema<LedgerLine> {
  const number = { type: 'bigint', transformer: asNumber } as const
  const word = (length: number): EntitySchemaColumnOptions => ({ type: 'varchar', length })
  return new EntitySchema<LedgerLine>({
    name: LEDGER_ENTITY,
    tableName: table.name ?? 'file_ledger',
    ...(table.schema === undefined ? {} : { schema: table.schema }),
    columns: {
      backend: { primary: true, ...dialect.backendColumn },
      objectKey: { primary: true, name: 'object_key', ...dialect.objectKeyColumn },
      disk: word(64),
      tenant: { nullable: true, ...dialect.tenantColumn },
      state: word(8),
      size: { ...number, nullable: true },
      reserved: { ...number, nullable: true },
      expiresAt: { ...number, nullable: true, name: 'expires_at' },
      uploadId: { type: 'text', nullable: true, name: 'upload_id' },
      attempts: { type: 'int' },
      error: { type: 'text', nullable: true },
      token: { ...word(36), nullable: true },
      createdAt: { ...number, name: 'created_at' },
      updatedAt: { ...number, name: 'updated_at' },
    },
    // What is due (the reaper), and what a tenant has (usage, quota, reconcile).
    indices: [{ columns: ['state', 'expiresAt'] }, { columns: ['tenant', 'state'] }],
  })
}
