import { throwIfAborted } from '../../core/abort.js'
import { type FileTable, fileTables } from '../file-table.js'
import { settingsOf } from '../file-transformer.js'
import type { OpenBinding } from '../files-binding.js'
import type { Standards } from './findings.js'
import { LedgerReads } from './ledger-reads.js'
import type { ReconcileOptions, ReconcileProgress } from './options.js'
import { ReportWriter } from './report.js'
import { Scope } from './scope.js'

const PROGRESS_EVERY = 1000

/** What the steps of one run share. */
export class ReconcileContext {
  readonly binding: OpenBinding
  readonly options: ReconcileOptions
  readonly scope: Scope
  readonly tables: readonly FileTable[]
  readonly reads: LedgerReads
  readonly report: ReportWriter

  /** @throws ERR_CONFIG, ERR_BACKEND_UNKNOWN, ERR_KEY_INVALID */
  constructor(binding: OpenBinding, options: ReconcileOptions) {
    const { storage, entities, sql, ledger } = binding
    const columns = [...entities.values()].flat()
    const disks = columns.flatMap(({ transformer }) => settingsOf(transformer)?.rules.disk ?? [])
    this.binding = binding
    this.options = options
    this.scope = new Scope(storage, options, new Set(disks), ledger)
    this.tables = fileTables(entities, options.entities, options.owners ?? {}, sql)
    this.reads = new LedgerReads(sql, ledger)
    this.report = new ReportWriter(options.maxFindings ?? 1000, options.onFinding)
  }

  /** @param grace in milliseconds */
  async standards(grace: number): Promise<Standards> {
    return {
      scope: this.scope,
      linesBefore: (await this.reads.now()) - grace,
      objectsBefore: Date.now() - grace,
      allRows: this.options.entities === undefined,
    }
  }

  /** To be called for each item. @throws the signal's reason, ERR_UPLOAD_ABORTED */
  step(phase: ReconcileProgress['phase'], done: number, total?: number): void {
    throwIfAborted(this.options.signal)
    if (done % PROGRESS_EVERY !== 0 && done !== total) return
    const { found: findings } = this.report
    this.options.onProgress?.({ phase, done, findings, ...(total === undefined ? {} : { total }) })
  }
}
