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

/**
 * What an old column's text tells about its file: where it lies. Size, type and checksum are unknown until the
 * bytes are looked at, so the type is the one that no browser runs.
 *
 * @returns undefined for text that names no file; never throws, because a row must load whatever is in it
 */
export function readLegacy(
  storage: Storage,
  rules: ResolvedRules,
  legacy: LegacyReader,
  text: string,
): StoredFileData | undefined {
  try {
    const found = legacy(text)
    if (found === undefined) return undefined
    const { tenant, key, name, backend } = found
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
  } catch {
    return undefined
  }
}

/** The disk knows the write backend of the current tenant, so be that tenant for a moment. */
function inTenant<T>(tenant: string | null, fn: () => T): T {
  return tenant === null ? fn() : runWithTenant(tenant, fn)
}
