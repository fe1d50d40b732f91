import { EntitySchema, getMetadataArgsStorage } from 'typeorm'
import { StorageError } from '../core/errors.js'
import type { ResolvedRules } from '../core/rules.js'
import { type FileColumnSettings, settingsOf } from './file-transformer.js'

/** An entity class, abstract or not, or an EntitySchema. */
export type FileEntity<E> = (abstract new (...args: never[]) => E) | EntitySchema<E>

/** A property of an entity, or the path to one in an embedded entity: `meta.scan`. */
export type FilePath<E> = (keyof E & string) | `${keyof E & string}.${string}`

/**
 * The rules of a file column, so that an upload is checked by the same rules as the column it goes to.
 *
 * @throws ERR_CONFIG when the property is no file column
 * @example
 * const upload = multer({ storage: tenantStorage(storage, rulesOf(OrderFile, 'file')) })
 */
export function rulesOf<E>(entity: FileEntity<E>, property: FilePath<E>): ResolvedRules {
  if (typeof entity !== 'function' && !(entity instanceof EntitySchema))
    throw new StorageError('ERR_CONFIG', 'rulesOf() takes an entity class or an EntitySchema, not its name.')
  const path = property.split('.')
  const settings =
    entity instanceof EntitySchema ? inSchema(entity, path) : inTree(inheritanceTree(entity), path)
  if (settings !== undefined)
    return Object.freeze({ ...settings.rules, field: `${nameOf(entity)}.${property}` })
  throw new StorageError(
    'ERR_CONFIG',
    `${nameOf(entity)}.${property} is no file column. Mark it with @FileColumn({ folder: … }), or with fileColumn() in an EntitySchema.`,
  )
}

function inSchema(schema: EntitySchema<unknown>, path: readonly string[]): FileColumnSettings | undefined {
  const [property = '', ...below] = path
  const { columns, embeddeds } = schema.options as {
    columns?: Record<string, { transformer?: unknown } | undefined>
    embeddeds?: Record<string, { schema: EntitySchema<unknown> } | undefined>
  }
  if (below.length === 0) return settingsOf(columns?.[property]?.transformer)
  const embedded = embeddeds?.[property]
  return embedded && inSchema(embedded.schema, below)
}

function inTree(tree: readonly unknown[], path: readonly string[]): FileColumnSettings | undefined {
  const [property, ...below] = path
  const { columns, embeddeds } = getMetadataArgsStorage()
  // The nearest class of the tree decides, as it does in TypeORM.
  for (const target of tree) {
    if (below.length === 0) {
      const column = columns.find(args => args.target === target && args.propertyName === property)
      if (column !== undefined) return settingsOf(column.options.transformer)
    } else {
      const embedded = embeddeds.find(args => args.target === target && args.propertyName === property)
      if (embedded !== undefined) return inTree(inheritanceTree(embedded.type()), below)
    }
  }
  return undefined
}

function inheritanceTree(entity: unknown): unknown[] {
  const tree: unknown[] = []
  for (let target = entity; typeof target === 'function'; target = Object.getPrototypeOf(target)) {
    tree.push(target)
  }
  return tree
}

function nameOf(entity: FileEntity<unknown>): string {
  return entity instanceof EntitySchema ? entity.options.name : entity.name
}
