import type { ValueTransformer } from 'typeorm'
import {
  fromColumnListText,
  fromColumnText,
  isColumnList,
  toColumnListText,
  toColumnText,
} from '../core/column-value.js'
import { StorageError } from '../core/errors.js'
import { isInFolder, type ResolvedRules } from '../core/rules.js'
import { Storage } from '../core/storage.js'
import {
  homeOf,
  isStoredFile,
  mintStoredFile,
  readerOf,
  type StoredFile,
  type StoredFileData,
  type StoredFileHome,
  type StoredFileOrigin,
} from '../core/stored-file.js'
import type { Keeping } from './keeping.js'
import { type LegacyReader, locateLegacy, readLegacy } from './legacy.js'

/** What makes a column a file column; it lies on the column's transformer. */
export interface FileColumnSettings {
  readonly rules: ResolvedRules
  readonly legacy: LegacyReader | undefined
  readonly resolve: 'read' | 'load'
  /** Where the column holds an ordered list: how many files it takes. */
  readonly maxFiles: number | undefined
  readonly keeping: Keeping
}

// Symbol.for: a column stays a file column when two copies of this package are loaded.
const BRAND = Symbol.for('tenant-files.fileColumn')

/** The settings of a file column, or undefined for the transformer of any other column. */
export function settingsOf(transformer: unknown): FileColumnSettings | undefined {
  if (typeof transformer !== 'object' || transformer === null || !(BRAND in transformer)) return undefined
  return transformer[BRAND] as FileColumnSettings
}

/**
 * The transformer of a file column whose DataSource was never given to `withFiles`: rows load, but no storage
 * is known that could sign or take a file.
 */
export class UnboundTransformer implements ValueTransformer {
  readonly [BRAND]: FileColumnSettings

  constructor(settings: FileColumnSettings) {
    this[BRAND] = settings
  }

  to(value: unknown): unknown {
    return value === null || value === undefined ? value : homeless()
  }

  from(value: unknown): unknown {
    if (typeof value !== 'string') return value
    const read = this[BRAND].maxFiles === undefined ? fromColumnText : fromColumnListText
    return read({ home: HOMELESS }, value)
  }
}

/** The transformer of a file column on one DataSource: reads and writes the files of one storage. */
export class BoundTransformer implements ValueTransformer {
  readonly [BRAND]: FileColumnSettings
  readonly #storage: Storage
  readonly #origin: StoredFileOrigin

  /** @param reader stands for the DataSource, whose columns share it */
  constructor(settings: FileColumnSettings, storage: Storage, reader: object) {
    this[BRAND] = settings
    this.#storage = storage
    this.#origin = { home: storage, column: settings.rules, resolve: settings.resolve, reader }
  }

  get settings(): FileColumnSettings {
    return this[BRAND]
  }

  /** @throws ERR_FILE_FORGED, ERR_FILE_WRONG_COLUMN, ERR_FILE_COUNT */
  to(value: unknown): string | null | undefined {
    if (value === null || value === undefined) return value
    const files = this.#accept(value)
    for (const file of files) {
      // A file that was loaded is judged by the claim: the column's rules may have changed since it was stored.
      if (readerOf(file) !== this.#origin.reader) this.#assertFits(file)
    }
    return Array.isArray(value) ? toColumnListText(value) : toColumnText(value as StoredFile)
  }

  /** Never throws: a row must load whatever is in it. */
  from(value: unknown): unknown {
    if (typeof value !== 'string') return value
    if (this.#isList) return fromColumnListText(this.#origin, value)
    // How old columns that may not be NULL say that there is no file.
    return this[BRAND].legacy !== undefined && value.trim() === '' ? null : this.#read(value)
  }

  /**
   * Where the file of an old column's text lies.
   *
   * @throws ERR_CONFIG for a column without `legacy`, and as {@link locateLegacy}
   */
  locate(text: string): StoredFileData {
    const { rules, legacy } = this[BRAND]
    if (legacy !== undefined) return locateLegacy(this.#storage, rules, legacy, text)
    throw new StorageError('ERR_CONFIG', 'This column has no legacy reader.')
  }

  /** The files in a value of this column. @throws ERR_FILE_FORGED, ERR_FILE_COUNT */
  filesOf(value: unknown): readonly StoredFile[] {
    return value === null || value === undefined ? [] : this.#accept(value)
  }

  /** A value of this column that holds these files. */
  valueOf(files: readonly StoredFile[]): unknown {
    return this.#isList ? Object.freeze([...files]) : (files[0] ?? null)
  }

  /** The text of files that a row held before, wherever they lie by now. It is not judged again, as rules may have changed. */
  textOf(files: readonly StoredFile[]): string | null {
    if (this.#isList) return toColumnListText(files)
    const [file] = files
    return file === undefined ? null : toColumnText(file)
  }

  /** A file as it is after a move or an adoption; its text is new. */
  changed(data: StoredFileData): StoredFile {
    return mintStoredFile(this.#origin, data)
  }

  get #isList(): boolean {
    return this[BRAND].maxFiles !== undefined
  }

  #accept(value: unknown): readonly StoredFile[] {
    if (!this.#isList) return isStoredFile(value) ? [value] : forged()
    if (!Array.isArray(value) || !Array.from(value).every(isStoredFile)) throw forged('list')
    if (!isColumnList(value)) this.#assertList(value)
    return value
  }

  /** A list that was loaded is not judged again: `maxFiles` may have changed since. */
  #assertList(files: readonly StoredFile[]): void {
    const { maxFiles = 0 } = this[BRAND]
    if (files.length > maxFiles) throw tooMany(maxFiles)
    const keys = files.map(({ disk, tenant, key }) => JSON.stringify([disk, tenant, key]))
    if (new Set(keys).size < files.length) throw twice()
  }

  #read(text: string): StoredFile {
    const { rules, legacy } = this[BRAND]
    const file = fromColumnText(this.#origin, text)
    if (legacy === undefined || homeOf(file) === this.#storage) return file
    const data = readLegacy(this.#storage, rules, legacy, text)
    return data === undefined ? file : mintStoredFile(this.#origin, data, text)
  }

  #assertFits(file: StoredFile): void {
    const { rules } = this[BRAND]
    if (homeOf(file) !== this.#storage) {
      throw new StorageError('ERR_FILE_FORGED', foreignMessage(homeOf(file)))
    }
    if (file.disk === rules.disk && isInFolder(rules, file.key)) return
    throw new StorageError(
      'ERR_FILE_WRONG_COLUMN',
      `This file was stored for another column: here belong files of the disk "${rules.disk}" in the folder "${rules.folder}". Upload it with the rules of this column: rulesOf(Entity, 'property').`,
    )
  }
}

function forged(what?: 'list'): never {
  const takes = 'req.file.stored, the result of storeFile(), a file that was loaded from the database'
  throw new StorageError(
    'ERR_FILE_FORGED',
    what === 'list'
      ? `This is no list of stored files. A column of several files takes an array of these, or null: ${takes}.`
      : `This is not a stored file. A file column takes only ${takes}, or null.`,
  )
}

function tooMany(maxFiles: number): StorageError {
  return new StorageError('ERR_FILE_COUNT', `This column takes at most ${maxFiles} files.`)
}

function twice(): StorageError {
  return new StorageError(
    'ERR_FILE_STALE',
    'One file is in this list twice. Each place needs a file of its own: copyFile() makes one.',
  )
}

function foreignMessage(home: StoredFileHome): string {
  return home instanceof Storage
    ? 'This file belongs to another storage than the one given to withFiles() with this DataSource.'
    : 'This file was loaded by a DataSource without a storage. Give that DataSource to withFiles(storage, dataSource).'
}

function homeless(): never {
  throw new StorageError(
    'ERR_CONFIG',
    'This DataSource has no storage. Give this DataSource to withFiles(storage, dataSource) before initialize().',
  )
}

const HOMELESS: StoredFileHome = {
  urlOf: homeless,
  signedUrlOf: async () => homeless(),
  streamOf: async () => homeless(),
}
