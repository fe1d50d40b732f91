import { createHash } from 'node:crypto'
import { throwIfAborted } from '../../core/abort.js'
import type { Disk } from '../../core/disk.js'
import { StorageError } from '../../core/errors.js'
import { inLanes } from '../../core/in-lanes.js'
import { bodyOf, digestOf, type FileDigest } from './file-body.js'
import type { PushStaticOptions, StaticProgress, StaticPush } from './push-options.js'
import { PushRecord, RECORD_NAME, type RecordEntry, recordId } from './push-record.js'
import type { FoundFile } from './static-files.js'

/** A file with all that is stored with it. */
export interface StaticFile extends FoundFile {
  readonly key: string
  readonly isHashed: boolean
  readonly contentType: string
  readonly cacheControl: string
}

type RunOptions = Required<
  Pick<PushStaticOptions, 'prefix' | 'stale' | 'staleAfter' | 'concurrency' | 'onProgress'>
> &
  Pick<PushStaticOptions, 'signal'>

/** One push, from the first file to the last. */
export class PushRun {
  readonly #disk: Disk
  readonly #files: readonly StaticFile[]
  readonly #options: RunOptions
  readonly #recordKey: string
  /** What is in its place by now, by the record's ids. */
  readonly #placed = new Map<string, RecordEntry>()
  readonly #count = { uploaded: 0, unchanged: 0, removed: 0 }
  #bytes = 0
  #total: number

  constructor(disk: Disk, files: readonly StaticFile[], options: RunOptions) {
    this.#disk = disk
    this.#files = files
    this.#options = options
    this.#recordKey = options.prefix + RECORD_NAME
    this.#total = files.length
  }

  async run(): Promise<StaticPush> {
    try {
      const { entries } = await this.#readRecord()
      const place = (files: readonly StaticFile[]) => this.#each(files, file => this.#place(file, entries))
      await place(this.#files.filter(({ isHashed }) => isHashed))
      await place(this.#files.filter(({ isHashed }) => !isHashed))
      const stale = await this.#settle()
      return { ...this.#count, stale, bytes: this.#bytes }
    } catch (error) {
      // Best effort: without it, the next push stores once more what this one has stored.
      await this.#writeDown().catch(() => {})
      throw this.#failure(error)
    }
  }

  async #place(file: StaticFile, entries: ReadonlyMap<string, RecordEntry>): Promise<void> {
    const { signal } = this.#options
    const id = recordId(file.key)
    const content = await digestOf(file, signal)
    const digest = createHash('sha256')
      .update([content.sha256, file.contentType, file.cacheControl].join('\n'))
      .digest('base64url')
    const known = entries.get(id)
    if (known?.digest === digest && known.etag === (await this.#etagOf(file.key))) {
      this.#placed.set(id, { digest, etag: known.etag })
      return await this.#done(file.key, 'unchanged')
    }
    const etag = await this.#upload(file, content)
    if (etag !== undefined) this.#placed.set(id, { digest, etag })
    await this.#done(file.key, 'uploaded')
  }

  async #upload(file: StaticFile, content: FileDigest): Promise<string | undefined> {
    const { key, contentType, cacheControl } = file
    const { signal } = this.#options
    const { size } = content
    const { etag } = await this.#disk.put(key, bodyOf(file, content, signal), {
      contentType,
      cacheControl,
      size,
      signal,
    })
    this.#bytes += size
    return etag
  }

  /** What lies there now: sizes do not tell two versions apart, and etags are compared only with themselves. */
  async #etagOf(key: string): Promise<string | undefined> {
    try {
      return (await this.#disk.head(key, { signal: this.#options.signal })).etag
    } catch (error) {
      if (StorageError.is(error, 'ERR_FILE_NOT_FOUND')) return undefined
      throw error
    }
  }

  /** Everything is in its place: what else there is from earlier pushes has had its day. Gives what stays of it. */
  async #settle(): Promise<number> {
    const record = await this.#readRecord()
    this.#mergeInto(record)
    const current = new Set(this.#files.map(({ key }) => recordId(key)))
    const now = Math.floor(Date.now() / 1000)
    for (const [id, entry] of record.entries) {
      if (!current.has(id) && entry.gone === undefined) record.entries.set(id, { ...entry, gone: now })
    }
    try {
      if (this.#options.stale === 'delete') await this.#removeStale(record, now)
    } finally {
      await record.write(this.#disk, this.#recordKey, {})
    }
    return [...record.entries.values()].filter(({ gone }) => gone !== undefined).length
  }

  /** Only what pushes below this prefix have stored: other objects of the disk are none of our business. */
  async #removeStale({ entries }: PushRecord, now: number): Promise<void> {
    const { prefix, staleAfter, signal } = this.#options
    const doomed: { id: string; key: string }[] = []
    const listed = new Set<string>()
    for await (const { key } of this.#disk.list(prefix, { signal })) {
      const id = recordId(key)
      listed.add(id)
      const gone = entries.get(id)?.gone
      if (gone !== undefined && gone + staleAfter <= now) doomed.push({ id, key })
    }
    // Deleted by somebody else meanwhile.
    for (const [id, { gone }] of entries) if (gone !== undefined && !listed.has(id)) entries.delete(id)
    this.#total += doomed.length
    await this.#each(doomed, async ({ id, key }) => {
      await this.#disk.delete(key, { signal })
      entries.delete(id)
      await this.#done(key, 'removed')
    })
  }

  async #writeDown(): Promise<void> {
    if (this.#placed.size === 0) return
    // Without the signal, which may be what ended the push.
    const record = await PushRecord.read(this.#disk, this.#recordKey, {})
    this.#mergeInto(record)
    await record.write(this.#disk, this.#recordKey, {})
  }

  /** Read anew before it is written, so that of two pushes at a time neither forgets what the other one stored. */
  #mergeInto({ entries }: PushRecord): void {
    for (const [id, entry] of this.#placed) entries.set(id, entry)
  }

  #readRecord(): Promise<PushRecord> {
    return PushRecord.read(this.#disk, this.#recordKey, { signal: this.#options.signal })
  }

  #each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
    return inLanes(items, this.#options.concurrency, item => {
      throwIfAborted(this.#options.signal)
      return work(item)
    })
  }

  async #done(key: string, action: StaticProgress['action']): Promise<void> {
    this.#count[action]++
    const { uploaded, unchanged, removed } = this.#count
    const done = uploaded + unchanged + removed
    // Waited for: it may be an async function as well, and what it rejects with is heard here or nowhere.
    await this.#options.onProgress({ key, action, done, total: this.#total, bytes: this.#bytes })
  }

  #failure(error: unknown): unknown {
    if (!StorageError.is(error)) return error
    const { uploaded, unchanged } = this.#count
    const left = `${uploaded + unchanged} of ${this.#files.length} files are in place; push again for the rest.`
    const { code, message, backend, key } = error
    return new StorageError(code, `${message} ${left}`, {
      backend,
      key,
      operation: 'pushStatic',
      cause: error,
    })
  }
}
