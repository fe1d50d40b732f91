import { FileTable } from '../../typeorm/file-table.js'
import type { LegacyReader } from '../../typeorm/legacy.js'
import { filesIn, isOld } from '../cell.js'
import { type ChosenColumns, chosenColumns } from '../one-column.js'
import { rowsOfEntity } from '../rows-of-entity.js'
import { type Condition, type Examined, type Finding, failed, ok } from './checks.js'

/** What must be so of columns that hold plain paths still. */
export const OLD_PATH_CONDITION: Condition = { check: 'old-paths', since: 1, examine: oldPaths }

/**
 * Old paths say where they lie. Where they do not, they lie where new files go: at the moment when that is another backend
 * all old files are missing.
 */
async function oldPaths({ choices, places }: Examined): Promise<Finding> {
  const plain = (await places()).places.filter(place => place.plain > 0)
  const homeless: string[] = []
  for (const choice of choices) {
    const chosen = chosenColumns(choice)
    for (const of of chosen.columns) {
      const [entity, property] = [chosen.metadata.name, of.column.propertyPath]
      if (!plain.some(place => place.entity === entity && place.property === property)) continue
      if (await hasHomeless(chosen, of)) homeless.push(`${entity}.${property}`)
    }
  }
  if (homeless.length === 0) return ok('Old paths name their backend, or there are none.')
  return failed(
    `The option "legacy" of ${homeless.join(', ')} names no backend, so old files are looked for where new ones go. Let it name the old one.`,
  )
}

async function hasHomeless(chosen: ChosenColumns, of: ChosenColumns['columns'][number]): Promise<boolean> {
  const { legacy } = of.transformer.settings
  if (legacy === undefined) return false
  const table = new FileTable(
    chosen.metadata,
    [{ name: of.column.propertyPath, of }],
    undefined,
    chosen.binding.sql,
  )
  for await (const {
    texts: [text],
  } of rowsOfEntity(table, chosen))
    if (filesIn(of, text ?? '').some(isOld) && namesNoBackend(legacy, text ?? '')) return true
  return false
}

function namesNoBackend(legacy: LegacyReader, text: string): boolean {
  try {
    const found = legacy(text)
    return found !== undefined && found.backend === undefined
  } catch {
    return false // it names no file at all, which is counted elsewhere
  }
}
