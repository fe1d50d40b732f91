import type { ObjectLiteral } from 'typeorm'
import type { ColumnChoice, MigrateOptions } from '../migrate/index.js'
import { Misuse } from './exit-code.js'

/**
 * Tells the tenant of a row by one of its plain columns.
 *
 * @returns undefined where no column is named
 * @throws Misuse
 */
export function ownerOf(
  { dataSource, entity }: ColumnChoice<ObjectLiteral>,
  owner: string | undefined,
): MigrateOptions<ObjectLiteral>['tenantOf'] {
  if (owner === undefined) return undefined
  if (!dataSource.hasMetadata(entity)) return undefined // who works on it says which entities there are
  const metadata = dataSource.getMetadata(entity)
  const column = metadata.findColumnWithPropertyPath(owner)
  if (column === undefined || column.relationMetadata !== undefined)
    throw new Misuse(`${metadata.name} has no plain column "${owner}".`)
  return row => {
    const value: unknown = column.getEntityValue(row)
    return value === null || value === undefined ? null : String(value)
  }
}
