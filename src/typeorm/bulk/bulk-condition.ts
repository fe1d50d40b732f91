import { Brackets, type FindOptionsWhere, type WhereExpressionBuilder } from 'typeorm'
import { StorageError } from '../../core/errors.js'

/**
 * Which rows a bulk operation is about: one id or several, a condition as in `find`, several of which one must
 * hold, or what a function says to a query builder, in which the entity is called `entity`.
 */
export type BulkWhere<E> =
  | string
  | number
  | readonly (string | number)[]
  | FindOptionsWhere<E>
  | readonly FindOptionsWhere<E>[]
  | ((where: WhereExpressionBuilder) => unknown)

/** The name of the entity in the conditions of bulk operations. */
export const ALIAS = 'entity'

/** What only `deleteAll()` says. */
export const EVERY_ROW = Symbol('every row')

/** Which rows: those of a condition, all, or none. */
export type BulkRows = Brackets | typeof EVERY_ROW | undefined

/**
 * What a query builder takes. A condition that says nothing would hold for every row, so it is refused.
 *
 * @returns undefined for an empty list, which means no row
 * @throws ERR_BULK_WRITE
 */
export function bulkCondition<E>(where: BulkWhere<E>): Brackets | undefined {
  if (typeof where === 'function') return new Brackets(query => assertSaysSomething(query, where))
  const list: readonly unknown[] = Array.isArray(where) ? where : [where]
  if (list.length === 0) return undefined
  for (const one of list) assertCondition(one)
  const byId = list.every(one => typeof one !== 'object')
  if (byId) return new Brackets(query => query.whereInIds(list))
  return new Brackets(query => query.where(list as FindOptionsWhere<object>[]))
}

function assertSaysSomething(
  query: WhereExpressionBuilder,
  where: (where: WhereExpressionBuilder) => unknown,
): void {
  where(query)
  const { wheres } = (query as unknown as { expressionMap: { wheres: readonly unknown[] } }).expressionMap
  if (wheres.length === 0) throw saysNothing()
}

function assertCondition(condition: unknown): void {
  if (condition === undefined || condition === null) throw saysNothing()
  if (typeof condition !== 'object') return
  if (Object.keys(condition).length === 0) throw saysNothing()
  for (const [property, value] of Object.entries(condition)) assertValue(property, value)
}

/** TypeORM's versions differ in what they make of these; leaving the property out would be the worst. */
function assertValue(property: string, value: unknown): void {
  if (value === undefined || value === null) {
    throw new StorageError(
      'ERR_BULK_WRITE',
      `The condition says ${property}: ${value}. Leave the property out, or use IsNull().`,
    )
  }
  const isPlain = typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype
  if (isPlain) assertCondition(value)
}

function saysNothing(): StorageError {
  return new StorageError(
    'ERR_BULK_WRITE',
    'A bulk operation without a condition would be about every row. If that is meant, use deleteAll().',
  )
}
