import type { ObjectLiteral } from 'typeorm'
import { assertKnownOptions } from '../core/known-options.js'
import { oldColumnsOf } from './one-column.js'
import { type RollbackOptions, type RollbackReport, takeBack } from './rollback-files.js'

/** Which adoption to take back. */
export type RollbackAdoptionOptions<E extends ObjectLiteral> = Omit<RollbackOptions<E>, 'to'>

/** What was taken back. */
export type RollbackAdoptionReport = Omit<RollbackReport, 'to'>

/**
 * Takes an adoption back: every row that still holds what `adoptFiles` wrote gets its old text again, byte for byte. A row
 * whose file was moved since is left alone: take the move back first. Copies that were made for rows that shared a file are
 * deleted when no signed address can name them any more.
 *
 * Runs under `runAsSystem` (event `system`).
 *
 * @throws ERR_CONFIG, ERR_LEDGER_NOT_READY, and the database's errors
 * @example
 * await rollbackAdoption({ dataSource, entity: OrderFile })
 */
export async function rollbackAdoption<E extends ObjectLiteral>(
  options: RollbackAdoptionOptions<E>,
): Promise<RollbackAdoptionReport> {
  assertKnownOptions('rollbackAdoption', options, {
    ...{ dataSource: 'known', entity: 'known', property: 'known' },
    ...{ tenant: 'known', onProgress: 'known', signal: 'known' },
  })
  const { dataSource, entity } = options
  const back = await takeBack(oldColumnsOf(options), options, 'take the adoption of old files back')
  return { entity: dataSource.getMetadata(entity).name, ...back }
}
