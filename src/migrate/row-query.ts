import { Brackets, type EntityTarget, type ObjectLiteral, type QueryRunner } from 'typeorm'
import { keyText } from '../typeorm/key-text.js'
import type { Cell } from './cell.js'
import { rowIdOf } from './journal.js'
import type { MigrateOptions } from './options.js'

/**
 * The entities of some cells by their row: those of this very entity, where several share the table, and as far as a
 * condition lets them through. Softly removed ones too.
 */
export async function entitiesOf<E extends ObjectLiteral>(
  runner: QueryRunner,
  entity: EntityTarget<E>,
  cells: readonly Pick<Cell, 'id'>[],
  where?: MigrateOptions<E>['where'],
): Promise<Map<string, E>> {
  const found = new Map<string, E>()
  if (cells.length === 0) return found
  const { primaryColumns } = runner.connection.getMetadata(entity)
  const names = primaryColumns.map(({ propertyPath }) => propertyPath)
  const query = runner.manager.createQueryBuilder(entity, 'moving').withDeleted()
  const { type } = runner.connection.options
  const [name, ...others] = names
  // One parameter, as in the statements of FileTable.
  if (type === 'postgres' && others.length === 0)
    query.where(`moving.${name} = ANY(:ids)`, { ids: cells.map(({ id }) => id[0]) })
  else query.where(oneByOne(names, cells))
  if (where !== undefined) query.andWhere(where)
  // As text, as cells have them.
  for (const [part, column] of primaryColumns.entries())
    query.addSelect(keyText(column, `moving.${column.propertyPath}`), `id_${part}`)
  const { raw, entities } = await query.getRawAndEntities<Record<string, unknown>>()
  for (const [index, row] of entities.entries())
    found.set(rowIdOf(names.map((_, part) => String(raw[index]?.[`id_${part}`]))), row)
  return found
}

function oneByOne(names: readonly string[], cells: readonly Pick<Cell, 'id'>[]): Brackets {
  return new Brackets(some => {
    for (const [row, { id }] of cells.entries()) {
      const place = (part: number) => `id_${row}_${part}`
      const parts = names.map((name, part) => `moving.${name} = :${place(part)}`)
      some.orWhere(
        `(${parts.join(' AND ')})`,
        Object.fromEntries(id.map((value, part) => [place(part), value])),
      )
    }
  })
}
