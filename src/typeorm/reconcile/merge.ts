import type { ObjectEntry } from '../../core/driver.js'
import { toBytes } from './byte-order.js'
import type { Line } from './ledger-reads.js'
import type { RowFile } from './sorted-rows.js'

/** Everything that is known of one key. */
export interface Known {
  readonly backend: string
  readonly objectKey: string
  readonly line: Line | undefined
  readonly rows: readonly RowFile[]
  readonly object: ObjectEntry | undefined
}

/** Walks through items in order, one at a time. */
export class Cursor<T> {
  current: T | undefined
  readonly #items: AsyncIterator<T>

  private constructor(items: AsyncIterator<T>) {
    this.#items = items
  }

  static async over<T>(items: AsyncIterable<T>): Promise<Cursor<T>> {
    const cursor = new Cursor(items[Symbol.asyncIterator]())
    await cursor.next()
    return cursor
  }

  async next(): Promise<void> {
    const { done, value } = await this.#items.next()
    this.current = done ? undefined : value
  }

  async close(): Promise<void> {
    await this.#items.return?.()
  }
}

/** What is joined below one prefix of one backend. Each in the order of the keys' bytes. */
export interface Sources {
  readonly backend: string
  readonly prefix: string
  readonly lines: AsyncIterable<Line>
  readonly objects: AsyncIterable<ObjectEntry>
  /** Of all prefixes; it stands at the first row of this one. */
  readonly rows: Cursor<RowFile>
}

/** Joins lines, rows and objects by their keys. */
export async function* merge({ backend, prefix, rows, ...sources }: Sources): AsyncGenerator<Known> {
  const lines = await Cursor.over(sources.lines)
  const objects = await Cursor.over(sources.objects)
  const rowHere = () => {
    const row = rows.current
    return row?.backend === backend && row.objectKey.startsWith(prefix) ? row : undefined
  }
  try {
    for (;;) {
      const objectKey = first(lines.current?.objectKey, objects.current?.key, rowHere()?.objectKey)
      if (objectKey === undefined) return
      const line = lines.current?.objectKey === objectKey ? lines.current : undefined
      const object = objects.current?.key === objectKey ? objects.current : undefined
      const mine: RowFile[] = []
      for (let row = rowHere(); row?.objectKey === objectKey; row = rowHere()) {
        mine.push(row)
        await rows.next()
      }
      if (line !== undefined) await lines.next()
      if (object !== undefined) await objects.next()
      yield { backend, objectKey, line, rows: mine, object }
    }
  } finally {
    await lines.close()
    await objects.close()
  }
}

function first(...keys: readonly (string | undefined)[]): string | undefined {
  let least: string | undefined
  for (const key of keys) {
    if (key !== undefined && (least === undefined || toBytes(key) < toBytes(least))) least = key
  }
  return least
}
