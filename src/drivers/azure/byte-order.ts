import type { ObjectEntry } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'

const SURROGATE = /[\ud800-\udfff]/

/**
 * Puts a listing in the order of UTF-8 bytes. "List Blobs" promises an alphabetical order and means that of UTF-16
 * units (found by writing a blob for every character: github.com/blobfile/blobfile/pull/238; azurite compares
 * strings of JavaScript, which is the same). The two differ in one thing: characters above U+FFFF, whose units begin
 * with D8 to DF, stand before U+E000 to U+FFFF there and behind them in UTF-8.
 *
 * So keys with such a character are held back until all keys have come that begin as they do up to it. That is what
 * is kept in memory: of one folder, the keys with such a character in one place. All others go straight through.
 *
 * @throws ERR_UNSUPPORTED when the listing has another order altogether. Accounts with a hierarchical namespace
 *   sort "/" before everything else, and a comparison of two listings would then delete what it should not.
 */
export async function* inByteOrder(entries: AsyncIterable<ObjectEntry>): AsyncGenerator<ObjectEntry> {
  let last = Buffer.alloc(0)
  for await (const entry of regrouped(entries)) {
    const name = Buffer.from(entry.key)
    if (Buffer.compare(last, name) > 0) throw unsorted()
    last = name
    yield entry
  }
}

async function* regrouped(entries: AsyncIterable<ObjectEntry>): AsyncGenerator<ObjectEntry> {
  let held: ObjectEntry[] = []
  let start = ''
  for await (const entry of entries) {
    if (held.length > 0 && !entry.key.startsWith(start)) {
      yield* sorted(held)
      held = []
    }
    const at = entry.key.search(SURROGATE)
    if (held.length === 0 && at === -1) {
      yield entry
      continue
    }
    if (held.length === 0) start = entry.key.slice(0, at)
    held.push(entry)
  }
  yield* sorted(held)
}

function sorted(entries: ObjectEntry[]): ObjectEntry[] {
  const named = entries.map(entry => ({ entry, name: Buffer.from(entry.key) }))
  return named.sort((a, b) => Buffer.compare(a.name, b.name)).map(({ entry }) => entry)
}

function unsorted(): StorageError {
  const message =
    'The storage does not list in the order of names. Accounts with a hierarchical namespace are not supported.'
  return new StorageError('ERR_UNSUPPORTED', message, { operation: 'list' })
}
