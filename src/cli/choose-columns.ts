import type { ObjectLiteral } from 'typeorm'
import type { ColumnChoice } from '../migrate/index.js'
import { Misuse } from './exit-code.js'
import type { GlobalOptions, Workplace } from './workplace.js'

/** How a command is told which file columns it works on. */
export interface ColumnOptions extends GlobalOptions {
  readonly all?: true
  readonly property?: string
}

/**
 * The file columns of the named entity, or of all of them. Opens the database.
 *
 * @throws Misuse
 */
export async function chooseColumns(
  place: Workplace,
  entity: string | undefined,
  options: ColumnOptions,
): Promise<readonly ColumnChoice<ObjectLiteral>[]> {
  const { all, property } = options
  if (all && entity !== undefined) throw new Misuse('Name an entity or say --all, not both.')
  if (all && property !== undefined)
    throw new Misuse('--property is a property of one entity: name that instead of --all.')
  if (!all && entity === undefined)
    throw new Misuse('Name an entity, or say --all for every one with file columns.')
  const dataSource = await place.dataSource(options)
  if (entity !== undefined) return [{ dataSource, entity, property }]
  const { everyFileColumn } = await place.rooms.migrate()
  const choices = everyFileColumn(dataSource)
  if (choices.length === 0) throw new Misuse('No entity of this DataSource has file columns.')
  return choices
}
