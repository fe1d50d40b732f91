import { isStoredFile } from '../core/stored-file.js'

/**
 * For class-transformer, which looks at fields and not at `toJSON`: its `instanceToPlain` would show a file's key and
 * tenant, and no URL. This shows what clients may see.
 *
 * @example
 * \@FileColumn({ folder: 'reports' })
 * \@Transform(fileToPlain, { toPlainOnly: true })
 * file!: StoredFile | null
 */
export function fileToPlain({ value }: { value: unknown }): unknown {
  if (Array.isArray(value)) return value.map(each => fileToPlain({ value: each }))
  return isStoredFile(value) ? value.toJSON() : value
}
