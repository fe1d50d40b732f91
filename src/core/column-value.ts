import { StorageError } from './errors.js'
import {
  columnTextOf,
  mintStoredFile,
  type StoredFile,
  type StoredFileData,
  type StoredFileHome,
  type StoredFileOrigin,
} from './stored-file.js'

/**
 * The text in a file column: canonical JSON with its fields in a fixed order, so that an unchanged file is
 * unchanged text, and `WHERE file = ?` compares files.
 */
export function toColumnText(file: StoredFile): string {
  return columnTextOf(file) ?? encode(file)
}

/**
 * Reads the text of a file column. Never throws: a row must load whatever is in it. Text that cannot be read
 * gives a file whose `url` throws. Every text is written back to the letter; to find out that it is canonical, and need
 * not be kept, would take longer than reading it.
 */
export function fromColumnText(origin: StoredFileOrigin, text: string): StoredFile {
  const data = decode(text)
  return data === undefined
    ? mintStoredFile({ home: unreadable, reader: origin.reader }, UNKNOWN, text)
    : mintStoredFile(origin, data, text)
}

/** Whether a text is that of a file, and so neither the path in an old column nor anything else. */
export function isColumnText(text: string): boolean {
  return decode(text) !== undefined
}

/**
 * The text of a list of files: a JSON array of what a column of one file would hold. A list that was read and not
 * changed gives its text back to the letter.
 */
export function toColumnListText(files: readonly StoredFile[]): string {
  return LIST_TEXTS.get(files) ?? `[${files.map(toColumnText).join(',')}]`
}

/**
 * Reads the text of a list of files; frozen. Never throws: a text that cannot be read gives a list of one file
 * whose `url` throws. The text of a column of one file gives a list of one.
 */
export function fromColumnListText(origin: StoredFileOrigin, text: string): readonly StoredFile[] {
  const files = Object.freeze(readList(origin, text))
  LIST_TEXTS.set(files, text)
  return files
}

/** Whether a list was read from a row, and not made by the application. */
export function isColumnList(files: readonly StoredFile[]): boolean {
  return LIST_TEXTS.has(files)
}

// An array has no private fields. They are frozen, so a text stays true.
const LIST_TEXTS = new WeakMap<readonly StoredFile[], string>()

function readList(origin: StoredFileOrigin, text: string): StoredFile[] {
  const value = parse(text)
  if (!Array.isArray(value)) return [fromColumnText(origin, text)]
  // Our own JSON is canonical, so this is the text that was written.
  return value.map(element => fromColumnText(origin, JSON.stringify(element)))
}

function encode(file: StoredFileData): string {
  const { disk, backend, tenant, key, name, size, type, sha256, version, encoding, storedSize, scan } = file
  return JSON.stringify({
    v: 1,
    disk,
    backend,
    tenant,
    key,
    name,
    size,
    type,
    sha256,
    version,
    encoding,
    storedSize,
    scan,
  })
}

function decode(text: string): StoredFileData | undefined {
  const value = parse(text)
  return isFileData(value) ? value : undefined
}

/** @returns undefined for what is no JSON: the caller keeps the text as it is */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isFileData(value: unknown): value is StoredFileData {
  if (typeof value !== 'object' || value === null) return false
  const { v, disk, backend, tenant, key, name, size, type, sha256 } = value as Record<string, unknown>
  return (
    v === 1 &&
    typeof disk === 'string' &&
    typeof backend === 'string' &&
    (tenant === null || typeof tenant === 'string') &&
    typeof key === 'string' &&
    typeof name === 'string' &&
    typeof size === 'number' &&
    typeof type === 'string' &&
    (sha256 === null || typeof sha256 === 'string')
  )
}

const UNKNOWN: StoredFileData = {
  disk: '',
  backend: '',
  tenant: null,
  key: '',
  name: '',
  size: 0,
  type: '',
  sha256: null,
}

function refuse(): never {
  throw new StorageError(
    'ERR_BACKEND_UNKNOWN',
    'The text in this file column was not written by this version of tenant-files, so nobody knows where the file lies.',
  )
}

const unreadable: StoredFileHome = {
  urlOf: refuse,
  signedUrlOf: async () => refuse(),
  streamOf: async () => refuse(),
}
