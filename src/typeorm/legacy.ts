import { StorageError } from '../core/errors.js'
import { assertObjectKey } from '../core/key.js'
import type { ResolvedRules } from '../core/rules.js'
import type { Storage } from '../core/storage.js'
import type { StoredFileData } from '../core/stored-file.js'
import { runWithTenant } from '../core/tenant.js'

/** Where the file of an old plain-string column lies. */
export interface LegacyFile {
  /** Its owner; null on a disk that belongs to no single tenant. */
  tenant: string | null
  /** Below disk and tenant. */
  key: string
  /** As people shall see it. */
  name: string
  /**
   * The backend that it lies on. Default: that of new files. Name it before new files go elsewhere, so that the old ones
   * are looked for where they are.
   */
  backend?: string
}

/** Reads the text of an old plain-string column; undefined for text that names no file. */
export type LegacyReader = (value: string) => LegacyFile | undefined

/** Our own text in the words of another version, which no reader of paths is to take for one. */
const OTHER_VERSION = /^\s*\{\s*"v"\s*:\s*\d/

/**
 * What an old column's text tells about its file: where it lies. Size, type and checksum are unknown until the
 * bytes are looked at, so the type is the one that no browser runs.
 *
 * @throws ERR_BACKEND_UNKNOWN for text that names no file, ERR_KEY_INVALID, ERR_TENANT_INVALID, ERR_TENANT_REQUIRED, and what
 *   the reader throws
 */
export function locateLegacy(
  storage: Storage,
  rules: ResolvedRules,
  legacy: LegacyReader,
  text: string,
): StoredFileData {
  const found = OTHER_VERSION.test(text) ? undefined : legacy(text)
  if (found === undefined)
    throw new StorageError('ERR_BACKEND_UNKNOWN', 'The column holds text that names no file of this storage.')
  const { tenant, key, name, backend } = found
  if (key === '') {
    throw new StorageError(
      'ERR_KEY_INVALID',
      'Nothing is left of this path behind the tenant. Put the file into the folder of its tenant, and change the text of the row.',
    )
  }
  assertObjectKey(key)
  const address = inTenant(tenant, () => storage.disk(rules.disk).address(key, 'head'))
  return {
    ...address,
    backend: backend ?? address.backend,
    name,
    size: 0,
    type: 'application/octet-stream',
    sha256: null,
  }
}

/**
 * {@link locateLegacy} for rows that are loaded: never throws, because a row must load whatever is in it.
 *
 * @returns undefined for text that names no file
 */
export function readLegacy(
  storage: Storage,
  rules: ResolvedRules,
  legacy: LegacyReader,
  text: string,
): StoredFileData | undefined {
  try {
    return locateLegacy(storage, rules, legacy, text)
  } catch {
    return undefined
  }
}

/** The disk knows the write backend of the current tenant, so be that tenant for a moment. */
function inTenant<T>(tenant: string | null, fn: () => T): T {
  return tenant === null ? fn() : runWithTenant(tenant, fn)
}
