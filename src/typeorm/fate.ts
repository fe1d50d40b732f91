import type { FileColumnMetadata } from './file-metadata.js'
import type { Fate } from './work.js'

/** What becomes of a file that was replaced. */
export function fateOf({ transformer }: FileColumnMetadata): Fate {
  const { keepReplaced } = transformer.settings.keeping
  return keepReplaced === 0 ? 'delete' : { days: keepReplaced }
}

/** What becomes of the files of a removed row. */
export function fateOnRemoval(column: FileColumnMetadata): Fate {
  return column.transformer.settings.keeping.onRemove === 'keep' ? 'keep' : fateOf(column)
}
