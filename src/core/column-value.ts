import { StorageError } from './errors.js'
import {
  columnTextOf,
  type MintOptions,
  mintStoredFile,
  type StoredFile,
  type StoredFileData,
  type StoredFileHome,
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
 * gives a file whose `url` throws, and that is written back to the letter.
 */
export function fromColumnText(
  home: StoredFileHome,
  text: string,
  options: Pick<MintOptions, 'column' | 'resolve'> = {},
): StoredFile {
  const data = decode(text)
  return data === undefined
    ? mintStoredFile(unreadable, UNKNOWN, { columnText: text })
    : mintStoredFile(home, data, { ...options, columnText: text === encode(data) ? undefined : text })
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
  const data = value as Record<string, unknown>
  const texts = ['disk', 'backend', 'key', 'name', 'type'].every(field => typeof data[field] === 'string')
  const tenant = data.tenant === null || typeof data.tenant === 'string'
  const sha256 = data.sha256 === null || typeof data.sha256 === 'string'
  return data.v === 1 && texts && tenant && sha256 && typeof data.size === 'number'
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
