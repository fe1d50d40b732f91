import { createHash } from 'node:crypto'
import { text } from 'node:stream/consumers'
import type { Disk } from '../../core/disk.js'
import type { OperationOptions } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'

/** The object, below the prefix, in which a push writes down what lies there. No file may be called so. */
export const RECORD_NAME = '.push-static.json'

/** What was stored under one key. */
export interface RecordEntry {
  /** Of the bytes and the headers. */
  readonly digest: string
  /** As the backend called that object: with another one, somebody else has stored there since. */
  readonly etag: string
  /** Since when no push has had the file, in seconds since 1970. */
  readonly gone?: number
}

/**
 * What earlier pushes stored below a prefix. It lies on a public disk, so it holds digests in place of names: nobody
 * reads in it which files there are.
 */
export class PushRecord {
  readonly entries: Map<string, RecordEntry>
  readonly #before: string

  private constructor(before: string) {
    this.#before = before
    this.entries = parse(before)
  }

  /** Where there is none, or none that can be read, everything counts as new. */
  static async read(disk: Disk, key: string, options: OperationOptions): Promise<PushRecord> {
    try {
      return new PushRecord(await text((await disk.get(key, options)).body))
    } catch (error) {
      if (StorageError.is(error, 'ERR_FILE_NOT_FOUND')) return new PushRecord('')
      throw error
    }
  }

  /** Stores it, where something has changed. */
  async write(disk: Disk, key: string, options: OperationOptions): Promise<void> {
    const now = JSON.stringify({ v: 1, files: Object.fromEntries(this.entries) })
    if (now === this.#before) return
    await disk.put(key, Buffer.from(now), {
      ...options,
      contentType: 'application/json',
      cacheControl: 'no-store',
    })
  }
}

/** What a record calls a key. */
export function recordId(key: string): string {
  return createHash('sha256').update(key).digest('base64url')
}

function parse(json: string): Map<string, RecordEntry> {
  try {
    const { v, files } = JSON.parse(json)
    return new Map(v === 1 ? Object.entries<RecordEntry>(files).filter(([, entry]) => isEntry(entry)) : [])
  } catch {
    return new Map()
  }
}

/** Without its etag, an object that is missing would look like itself. */
function isEntry(entry: Partial<RecordEntry> | null): boolean {
  return typeof entry?.digest === 'string' && typeof entry.etag === 'string'
}
