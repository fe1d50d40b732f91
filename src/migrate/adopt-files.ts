import type { ObjectLiteral } from 'typeorm'
import { runAsSystem } from '../core/tenant.js'
import { type AdoptOptions, type AdoptReport, adoptProgressOf, resolveAdoptOptions } from './adopt-options.js'
import { assertTable } from './assert-table.js'
import { Circuit } from './circuit.js'
import { FreeLines } from './free-lines.js'
import { ensureTables, oldColumnsOf } from './one-column.js'
import { planAdoption } from './plan-adoption.js'
import { Tally } from './progress.js'
import { PropertyMigration } from './property-migration.js'

/**
 * Gives the rows of old columns texts of this library, row by row, while the application serves: each plain path or address
 * that the column's `legacy` reads becomes a file with size, type and checksum, read from its bytes. The bytes stay where they
 * are; only where two rows share a file the second gets a copy, since every object belongs to one row. Can be stopped at any
 * moment, killed, and run again, also by several processes at once; {@link rollbackAdoption} takes it back.
 *
 * Runs under `runAsSystem` (event `system`). A row that fails is reported and left as it is; the rest goes on.
 *
 * @throws ERR_CONFIG, also for a table without a primary key or a column that is too short, ERR_LEDGER_NOT_READY,
 *   ERR_UPLOAD_ABORTED for a signal that aborts before the first row, and the database's errors
 * @example
 * const report = await adoptFiles({ dataSource, entity: OrderFile, tenantOf: row => row.website })
 * if (report.failed > 0) console.error(report.failures)
 */
export async function adoptFiles<E extends ObjectLiteral>(options: AdoptOptions<E>): Promise<AdoptReport> {
  const resolved = resolveAdoptOptions(options)
  const { dataSource, entity, dryRun = false, onProgress, signal } = options
  const columns = oldColumnsOf(options)
  const tally = new Tally()
  const circuit = new Circuit()
  for (const column of columns) await assertTable(column)
  if (!dryRun) await ensureTables(dataSource)
  await runAsSystem(dryRun ? 'plan an adoption of old files' : 'adopt old files', async () => {
    for (const column of columns) {
      if (signal?.aborted || circuit.stoppedBy !== undefined) break
      if (dryRun) {
        await planAdoption(column, resolved, tally)
        continue
      }
      const free = await FreeLines.read(column, signal)
      const told = () => onProgress?.(adoptProgressOf(tally))
      await new PropertyMigration(column, { ...resolved, free, onProgress: told }, tally, circuit).run()
    }
  })
  const { stoppedBy } = circuit
  return {
    entity: dataSource.getMetadata(entity).name,
    dryRun,
    ...adoptProgressOf(tally),
    failures: tally.failures,
    aborted: signal?.aborted === true || stoppedBy !== undefined,
    ...(stoppedBy === undefined ? {} : { stoppedBy }),
  }
}
