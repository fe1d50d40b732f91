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
  try {
    const value: unknown = JSON.parse(text)
    return isFileData(value) ? value : undefined
  } catch {
    return undefined // not JSON: the caller keeps the text as it is
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
