import type { ObjectLiteral } from 'typeorm'
import { runAsSystem } from '../core/tenant.js'
import { assertTable } from './assert-table.js'
import { Circuit } from './circuit.js'
import { assertBackend, columnsOf, ensureTables } from './one-column.js'
import { type MigrateOptions, resolveMigrateOptions } from './options.js'
import { type MigrationReport, Tally } from './progress.js'
import { PropertyMigration } from './property-migration.js'

/**
 * Moves the files of an entity to another backend, row by row, while the application serves: each row points to its old
 * place until its bytes are at the new one, and have been compared. Can be stopped at any moment, killed, and run again,
 * also by several processes at once. The old bytes stay until they are pruned.
 *
 * Runs under `runAsSystem` (event `system`). A row that fails is reported and left as it is; the rest goes on.
 *
 * @throws ERR_CONFIG, also for a table without a primary key or a column that is too short, ERR_BACKEND_UNKNOWN,
 *   ERR_LEDGER_NOT_READY, and the database's errors
 * @example
 * const report = await migrateFiles({ dataSource, entity: OrderFile, to: 'spaces' })
 * if (report.failed > 0) console.error(report.failures)
 */
export async function migrateFiles<E extends ObjectLiteral>(
  options: MigrateOptions<E>,
): Promise<MigrationReport> {
  const resolved = resolveMigrateOptions(options)
  const { dataSource, entity, from, to, signal } = options
  const columns = columnsOf(options, to)
  for (const { binding } of columns) assertBackend(binding, from ?? to)
  const tally = new Tally()
  const circuit = new Circuit()
  for (const column of columns) await assertTable(column)
  await ensureTables(dataSource)
  await runAsSystem(`migrate files to ${to}`, async () => {
    for (const column of columns) {
      if (signal?.aborted || circuit.stoppedBy !== undefined) break
      await new PropertyMigration(column, resolved, tally, circuit).run()
    }
  })
  const { stoppedBy } = circuit
  return {
    entity: dataSource.getMetadata(entity).name,
    to,
    ...tally.snapshot(),
    failures: tally.failures,
    aborted: signal?.aborted === true || stoppedBy !== undefined,
    ...(stoppedBy === undefined ? {} : { stoppedBy }),
  }
}
