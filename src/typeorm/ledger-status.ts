import type { DataSource } from 'typeorm'
import { bindingOf } from './files-binding.js'
import { orBusy } from './ledger-busy.js'
import type { LedgerState } from './ledger-table.js'
import { assertOutsideOfTenants } from './quota/outside-of-tenants.js'
import { UsageStatements } from './quota/usage-statements.js'

/** Files on one backend in one state. */
export interface LedgerPart {
  readonly backend: string
  readonly state: LedgerState
  readonly files: number
  /** For uploads under way, what a quota sets aside for them. */
  readonly bytes: number
}

/** How a ledger stands. */
export interface LedgerStatus {
  readonly parts: readonly LedgerPart[]
  /** Lines that the reaper should have worked on by now. */
  readonly due: number
  /** How long the first of them has been due, in seconds; null where none is. */
  readonly oldestDue: number | null
  /** Lines that wait for {@link retryDead}. */
  readonly dead: number
}

/**
 * Counts a DataSource's ledger: files and bytes by backend and state, and how far behind the reapers are. It reads the
 * whole table.
 *
 * @throws ERR_TENANT_MISMATCH for whoever runs for one tenant, ERR_CONFIG for a DataSource that was not given to
 *   `withFiles`, ERR_LEDGER_NOT_READY, ERR_LEDGER_BUSY
 * @example
 * const { due, oldestDue } = await ledgerStatus(dataSource)
 */
export async function ledgerStatus(dataSource: DataSource): Promise<LedgerStatus> {
  assertOutsideOfTenants('ledgerStatus()')
  const { sql, ledger } = bindingOf(dataSource).open()
  const parts = await ledger.read(new UsageStatements(sql).states())
  const { backlog, lag, dead } = await orBusy(ledger.reaper.health())
  return {
    parts: parts.map(row => ({
      // MariaDB gives the name as bytes.
      backend: String(row.backend),
      state: String(row.state) as LedgerState,
      files: Number(row.files),
      bytes: Number(row.bytes),
    })),
    due: backlog,
    oldestDue: backlog === 0 ? null : lag,
    dead,
  }
}
