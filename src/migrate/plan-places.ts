import type { ObjectEntry } from '../core/driver.js'
import type { Storage } from '../core/storage.js'
import { toBytes } from '../typeorm/reconcile/byte-order.js'
import { Cursor } from '../typeorm/reconcile/merge.js'
import type { RowFile, SortedRows } from '../typeorm/reconcile/sorted-rows.js'

/** A file of a row, and what lies at its old and its new place. */
export interface Places {
  readonly row: RowFile
  readonly source: ObjectEntry | undefined
  readonly target: ObjectEntry | undefined
}

/**
 * Joins files with the listings of the backend that they lie on and of the one that they go to, by their keys.
 *
 * @param to undefined for files that stay where they are
 */
export async function* comparePlaces(
  storage: Storage,
  rows: SortedRows,
  to: string | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Places> {
  let listings: Listings | undefined
  try {
    for await (const row of rows.inOrder()) {
      const prefix = prefixOf(storage, row.objectKey)
      // Rows are in the order of backend and key, so a listing that was left is not needed again.
      if (listings?.backend !== row.backend || listings.prefix !== prefix) {
        await listings?.close()
        listings = await Listings.open(storage, row.backend, to, prefix, signal)
      }
      yield { row, ...(await listings.at(row.objectKey)) }
    }
  } finally {
    await listings?.close()
  }
}

/** The area of the disk that a key lies in. */
function prefixOf(storage: Storage, objectKey: string): string {
  for (const name of storage.diskNames) {
    const prefix = `${storage.disk(name).options.location}/`
    if (objectKey.startsWith(prefix)) return prefix
  }
  return ''
}

class Listings {
  readonly backend: string
  readonly prefix: string
  readonly #source: Cursor<ObjectEntry>
  readonly #target: Cursor<ObjectEntry> | undefined

  private constructor(
    { backend, prefix }: { backend: string; prefix: string },
    [source, target]: readonly [Cursor<ObjectEntry>, Cursor<ObjectEntry> | undefined],
  ) {
    this.backend = backend
    this.prefix = prefix
    this.#source = source
    this.#target = target
  }

  static async open(
    storage: Storage,
    backend: string,
    to: string | undefined,
    prefix: string,
    signal: AbortSignal | undefined,
  ): Promise<Listings> {
    const list = async (name: string) => {
      const driver = await storage.openForMaintenance(name, 'read')
      return Cursor.over(driver.list(prefix, { signal }))
    }
    return new Listings({ backend, prefix }, [
      await list(backend),
      to === undefined ? undefined : await list(to),
    ])
  }

  async at(objectKey: string): Promise<Omit<Places, 'row'>> {
    const target = this.#target && (await seek(this.#target, objectKey))
    return { source: await seek(this.#source, objectKey), target }
  }

  async close(): Promise<void> {
    await this.#source.close()
    await this.#target?.close()
  }
}

/** Goes forward to a key; keys are asked for in the order of their bytes, the same one several times at most. */
async function seek(cursor: Cursor<ObjectEntry>, objectKey: string): Promise<ObjectEntry | undefined> {
  const wanted = toBytes(objectKey)
  while (cursor.current !== undefined && toBytes(cursor.current.key) < wanted) await cursor.next()
  return cursor.current?.key === objectKey ? cursor.current : undefined
}
