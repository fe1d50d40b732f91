import { Column, type ColumnOptions, type EntitySchemaColumnOptions } from 'typeorm'
import { StorageError } from '../core/errors.js'
import { assertKnownOptions, type OptionNames } from '../core/known-options.js'
import { type FileRules, RULES, resolveRules } from '../core/rules.js'
import { UnboundTransformer } from './file-transformer.js'
import { type KeepingOptions, resolveKeeping } from './keeping.js'
import type { LegacyReader } from './legacy.js'

/** What a file column accepts, and how it looks in the database. */
export interface FileColumnOptions
  extends FileRules,
    KeepingOptions,
    Pick<ColumnOptions, 'name' | 'nullable' | 'comment'> {
  /** Reads the plain text that an old column holds, until `migrate` has rewritten it. */
  legacy?: LegacyReader
  /**
   * `load`: the URL is made with the row and lies on the file itself, for `{ ...file }` and GraphQL. Default `read`: when
   * somebody reads it, which costs nothing where nobody does.
   */
  resolve?: 'read' | 'load'
}

/**
 * A column that holds a file: `StoredFile | null`. It stores a line of JSON (never a URL), takes only files of
 * this library, and gives `url`, which is signed when it is read.
 *
 * Needs `withFiles(storage, dataSource)`.
 *
 * @throws ERR_CONFIG for rules that are none, and for `select: false`
 * @example
 * \@Entity()
 * export class OrderFile {
 *   \@PrimaryGeneratedColumn() id!: number
 *   \@FileColumn({ folder: 'order_files', accept: ['application/pdf', 'image/*'], maxSize: '20mb' })
 *   file!: StoredFile | null
 * }
 */
export function FileColumn(options: FileColumnOptions): PropertyDecorator {
  return Column(fileColumn(options))
}

/**
 * {@link FileColumn} on the disk `public-media`: permanent addresses that everybody may open.
 *
 * @throws ERR_CONFIG
 * @example
 * \@PublicFileColumn({ folder: 'blog_media', accept: ['image/*'] })
 * picture!: StoredFile | null
 */
export function PublicFileColumn(options: Omit<FileColumnOptions, 'disk'>): PropertyDecorator {
  return FileColumn({ ...options, disk: 'public-media' })
}

/**
 * {@link FileColumn} for an EntitySchema.
 *
 * @throws ERR_CONFIG
 * @example
 * new EntitySchema<Ticket>({ name: 'Ticket', columns: { id: …, attachment: fileColumn({ folder: 'tickets' }) } })
 */
export function fileColumn(options: FileColumnOptions): ColumnOptions & EntitySchemaColumnOptions {
  return columnOf(options, undefined)
}

/**
 * The column of one file, or of a list of at most `maxFiles`.
 *
 * @throws ERR_CONFIG
 */
export function columnOf(
  options: FileColumnOptions,
  maxFiles: number | undefined,
): ColumnOptions & EntitySchemaColumnOptions {
  assertColumnOptions(options, maxFiles)
  const { name, comment, legacy, resolve = 'read', nullable = true, ...more } = options
  const { onRemove, onSoftDelete, keepReplaced, ...rules } = more
  const keeping = resolveKeeping({ onRemove, onSoftDelete, keepReplaced }, nullable)
  const transformer = new UnboundTransformer({
    rules: resolveRules(rules),
    legacy,
    resolve,
    maxFiles,
    keeping,
  })
  return {
    type: 'text',
    nullable,
    transformer,
    ...(name === undefined ? {} : { name }),
    ...(comment === undefined ? {} : { comment }),
  }
}

// What would break a promise: a column that is not read back dirties every save and hides the replaced file; one
// that is left out of a statement would still be claimed; another type or a default is not ours to read.
const REFUSED = [
  'select',
  'insert',
  'update',
  'type',
  'transformer',
  'array',
  'default',
  'generatedType',
  'asExpression',
]

const COLUMN_OPTIONS: OptionNames<FileColumnOptions> = {
  ...RULES,
  name: 'known',
  nullable: 'known',
  comment: 'known',
  legacy: 'known',
  resolve: 'known',
  onRemove: 'known',
  onSoftDelete: 'known',
  keepReplaced: 'known',
}

const LIST_OPTIONS = { maxFiles: 'known' } as const

function assertColumnOptions(options: FileColumnOptions, maxFiles: number | undefined): void {
  const wrong = REFUSED.find(option => option in (options ?? {}))
  if (wrong !== undefined) {
    throw new StorageError(
      'ERR_CONFIG',
      `A file column takes its rules, name, nullable, comment, legacy, resolve, onRemove, onSoftDelete and keepReplaced; the column option "${wrong}" is refused.`,
    )
  }
  const { legacy, ...ofBoth } = COLUMN_OPTIONS
  if (maxFiles === undefined) assertKnownOptions('a file column', options, { ...ofBoth, legacy })
  else assertKnownOptions<object>('a column of files', options, { ...ofBoth, ...LIST_OPTIONS })
  if (![undefined, 'read', 'load'].includes(options.resolve))
    throw new StorageError('ERR_CONFIG', 'resolve is "read" or "load".')
}
