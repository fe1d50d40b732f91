import type { ValueTransformer } from 'typeorm'
import { fromColumnText, toColumnText } from '../core/column-value.js'
import { StorageError } from '../core/errors.js'
import { isInFolder, type ResolvedRules } from '../core/rules.js'
import { Storage } from '../core/storage.js'
import {
  homeOf,
  isStoredFile,
  mintStoredFile,
  readerOf,
  type StoredFile,
  type StoredFileHome,
  type StoredFileOrigin,
} from '../core/stored-file.js'
import { type LegacyReader, readLegacy } from './legacy.js'

/** What makes a column a file column; it lies on the column's transformer. */
export interface FileColumnSettings {
  readonly rules: ResolvedRules
  readonly legacy: LegacyReader | undefined
  readonly resolve: 'read' | 'load'
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
    return typeof value === 'string' ? fromColumnText({ home: HOMELESS }, value) : value
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

  /** @throws ERR_FILE_FORGED, ERR_FILE_WRONG_COLUMN */
  to(value: unknown): string | null | undefined {
    if (value === null || value === undefined) return value
    if (!isStoredFile(value)) throw forged()
    // A file that was loaded is judged by the claim: the column's rules may have changed since it was stored.
    if (readerOf(value) !== this.#origin.reader) this.#assertFits(value)
    return toColumnText(value)
  }

  /** Never throws: a row must load whatever is in it. */
  from(value: unknown): unknown {
    return typeof value === 'string' ? this.#read(value) : value
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

function forged(): StorageError {
  return new StorageError(
    'ERR_FILE_FORGED',
    'This is not a stored file. A file column takes only req.file.stored, the result of storeFile(), a file that was loaded from the database, or null.',
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
