import { StorageError } from './errors.js'

/** The name of every option; the compiler sees that none is forgotten. */
export type OptionNames<T> = Readonly<Record<keyof T, 'known'>>

/**
 * Refuses options that do not exist. A misspelt one would silently do nothing, and some of them are locks.
 *
 * @throws ERR_CONFIG
 */
export function assertKnownOptions<T extends object>(of: string, options: T, names: OptionNames<T>): void {
  if (typeof options !== 'object' || options === null)
    throw new StorageError('ERR_CONFIG', `Give the options of ${of} as an object.`)
  const unknown = Object.keys(options).find(name => !Object.hasOwn(names, name))
  if (unknown === undefined) return
  const known = Object.keys(names).join(', ')
  throw new StorageError('ERR_CONFIG', `There is no option "${unknown}" of ${of}. Options: ${known}.`)
}
