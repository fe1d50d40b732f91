import { StorageError } from '../core/errors.js'

/** What becomes of files that their row does not hold any more. */
export interface KeepingOptions {
  /**
   * What happens to the files of a removed row. `keep`: they stay in the storage for ever; their lines in the
   * ledger say `kept`. Default: `delete`.
   */
  onRemove?: 'delete' | 'keep'
  /**
   * What happens to the files of a row that is softly removed. `delete`: the column becomes NULL with the removal,
   * and recovering the row does not bring its files back. Default: `keep`.
   */
  onSoftDelete?: 'keep' | 'delete'
  /**
   * For how many days a replaced or removed file stays in the storage. Default: 0, it is deleted after the commit.
   * Where copies of the database may be restored, take as many days as they are old.
   */
  keepReplaced?: number
}

/** {@link KeepingOptions} with every default filled in. */
export type Keeping = Readonly<Required<KeepingOptions>>

const MAX_DAYS = 36_500

/** @throws ERR_CONFIG */
export function resolveKeeping(options: KeepingOptions, nullable: boolean): Keeping {
  const { onRemove = 'delete', onSoftDelete = 'keep', keepReplaced = 0 } = options
  if (!['delete', 'keep'].includes(onRemove)) throw wrong('onRemove is "delete" or "keep".')
  if (!['delete', 'keep'].includes(onSoftDelete)) throw wrong('onSoftDelete is "keep" or "delete".')
  if (onSoftDelete === 'delete' && !nullable)
    throw wrong('onSoftDelete: "delete" sets the column to NULL, so it must be nullable.')
  if (!Number.isInteger(keepReplaced) || keepReplaced < 0 || keepReplaced > MAX_DAYS)
    throw wrong(`keepReplaced is a whole number of days, at most ${MAX_DAYS}; got ${keepReplaced}.`)
  return { onRemove, onSoftDelete, keepReplaced }
}

function wrong(message: string): StorageError {
  return new StorageError('ERR_CONFIG', message)
}
