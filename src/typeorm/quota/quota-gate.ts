import { publish } from '../../core/events.js'
import type { StageEntry } from '../../core/ledger.js'
import type { LedgerConnection } from '../ledger-connection.js'
import type { LedgerSql, Statement } from '../ledger-sql.js'
import { type Quota, quotaExceeded } from './quota.js'
import { UsageStatements } from './usage-statements.js'

/** Lets new lines of a tenant in one after the other, as long as they fit into its quota. */
export class QuotaGate {
  readonly #quota: Quota
  readonly #usage: UsageStatements
  readonly #ledger: string

  constructor(quota: Quota, sql: LedgerSql) {
    this.#quota = quota
    this.#usage = new UsageStatements(sql)
    this.#ledger = sql.table
  }

  /** @returns bytes, or undefined for no limit. @throws ERR_QUOTA_UNKNOWN, ERR_CONFIG */
  limitOf(tenant: string | null): Promise<number | undefined> {
    return this.#quota.limitOf(tenant)
  }

  /**
   * Counts and writes under a lock of the tenant: two uploads that fit alone and not together must not both see the
   * room that is left.
   *
   * @param stage writes the line, with what is set aside for it
   * @throws ERR_QUOTA_EXCEEDED
   */
  async enter(
    connection: LedgerConnection,
    { tenant, atMost = 0 }: StageEntry,
    limit: number,
    stage: (reserved: number) => Statement,
  ): Promise<void> {
    const owner = tenant ?? ''
    await connection.alone(`tenant-files quota ${this.#ledger} ${owner}`, async run => {
      const { rows } = await run(this.#usage.used(owner))
      const used = Number(rows[0]?.used)
      if (used + atMost > limit) {
        publish('quota', { tenant: owner, asked: atMost, used, limit })
        throw quotaExceeded(limit - used, limit)
      }
      await run(stage(atMost))
    })
  }
}
