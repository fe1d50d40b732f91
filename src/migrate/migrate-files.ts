import type { ObjectLiteral } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { runAsSystem } from '../core/tenant.js'
import type { FileColumnMetadata } from '../typeorm/file-metadata.js'
import { bindingOf, type OpenBinding } from '../typeorm/files-binding.js'
import { createMigrationTables } from './journal-table.js'
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
 * @throws ERR_CONFIG, ERR_BACKEND_UNKNOWN, ERR_LEDGER_NOT_READY, and the database's errors
 * @example
 * const report = await migrateFiles({ dataSource, entity: OrderFile, to: 'spaces' })
 * if (report.failed > 0) console.error(report.failures)
 */
export async function migrateFiles<E extends ObjectLiteral>(
  options: MigrateOptions<E>,
): Promise<MigrationReport> {
  const resolved = resolveMigrateOptions(options)
  const binding = bindingOf(options.dataSource).open()
  const columns = columnsOf(binding, options)
  for (const name of [options.to, options.from ?? options.to]) assertBackend(binding, name)
  const tally = new Tally()
  await withTables(binding)
  await runAsSystem(`migrate files to ${options.to}`, async () => {
    for (const column of columns) {
      if (options.signal?.aborted) break
      await new PropertyMigration(binding, column, resolved, tally).run()
    }
  })
  const { name: entity } = options.dataSource.getMetadata(options.entity)
  return {
    entity,
    to: options.to,
    ...tally.snapshot(),
    failures: tally.failures,
    aborted: options.signal?.aborted === true,
  }
}

async function withTables({ dataSource }: OpenBinding): Promise<void> {
  const runner = dataSource.createQueryRunner()
  try {
    await createMigrationTables(runner)
  } finally {
    await runner.release()
  }
}

/** @throws ERR_CONFIG */
function columnsOf<E extends ObjectLiteral>(
  { dataSource, entities }: OpenBinding,
  { entity, property }: MigrateOptions<E>,
): readonly FileColumnMetadata[] {
  const metadata = dataSource.getMetadata(entity)
  const all = entities.get(metadata) ?? []
  const found = all.filter(({ column }) => property === undefined || column.propertyPath === property)
  if (found.length > 0) return found
  const what = property === undefined ? 'no file column' : `no file column "${property}"`
  throw new StorageError('ERR_CONFIG', `${metadata.name} has ${what}.`)
}

function assertBackend({ storage }: OpenBinding, name: string): void {
  if (storage.backendNames.includes(name)) return
  throw new StorageError(
    'ERR_BACKEND_UNKNOWN',
    `There is no backend "${name}". Configured: ${storage.backendNames.join(', ')}.`,
  )
}
