import type { DataSource } from 'typeorm'
import type { OptionNames } from '../../core/known-options.js'
import type { Finding } from './findings.js'
import type { Fix } from './mend.js'

/** How far {@link reconcile} is. */
export interface ReconcileProgress {
  /** `rows`: the rows are read. `compare`: rows, ledger and listing. `verify`: what looked wrong, once more. */
  readonly phase: 'rows' | 'compare' | 'verify'
  /** Files of rows, keys, or keys that looked wrong; done in this phase. */
  readonly done: number
  /** Known in `verify` only. */
  readonly total?: number
  /** Findings so far. */
  readonly findings: number
}

/** What {@link reconcile} compares. */
export interface ReconcileOptions {
  dataSource: DataSource
  /** One tenant only. Default: all. */
  tenant?: string
  /** Only what lies below this prefix of object keys, for example `media/acme/order_files/`. Default: all disks. */
  prefix?: string
  /** Default: all. */
  backends?: readonly string[]
  /**
   * The names of the entities whose rows are read. Without all of them nobody can say that a file has no row, so that
   * is not looked for. Default: all that have file columns.
   */
  entities?: readonly string[]
  /** By the name of an entity the property that says whose a row is, for example `{ OrderFile: 'tenantId' }`. */
  owners?: Readonly<Record<string, string>>
  /** `bytes`: reads every object and compares its checksum with the row's. Default: `sizes`. */
  check?: 'sizes' | 'bytes'
  /** Default: `report`, which changes nothing. */
  fix?: Fix
  /** What is younger has not settled, and is not missed; in seconds. Default: the ledger's lease and five minutes. */
  grace?: number
  /** How many findings the report holds; all are counted. Default: 1,000. */
  maxFindings?: number
  /** Told each finding. */
  onFinding?: (finding: Finding) => void
  /** Told how far it is, every thousand keys. */
  onProgress?: (progress: ReconcileProgress) => void
  signal?: AbortSignal
}

export const RECONCILE_OPTIONS: OptionNames<ReconcileOptions> = {
  dataSource: 'known',
  tenant: 'known',
  prefix: 'known',
  backends: 'known',
  entities: 'known',
  owners: 'known',
  check: 'known',
  fix: 'known',
  grace: 'known',
  maxFindings: 'known',
  onFinding: 'known',
  onProgress: 'known',
  signal: 'known',
}
