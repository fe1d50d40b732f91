import { randomUUID } from 'node:crypto'
import { constants, fstatSync, type Stats } from 'node:fs'
import { copyFile, lstat, rm, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { throwIfAborted } from '../../core/abort.js'
import { endBody, takeBody } from '../../core/body.js'
import { resolveRange } from '../../core/byte-range.js'
import type {
  Driver,
  DriverCapabilities,
  GetOptions,
  GetResult,
  ObjectEntry,
  ObjectInfo,
  OperationOptions,
  PutBody,
  PutOptions,
  PutResult,
} from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import { assertObjectKey } from '../../core/key.js'
import { closeFile } from './descriptor.js'
import { flush, flushFolders, nameFile, sweep, writeDurably } from './durable-file.js'
import { listFolder } from './folder-listing.js'
import { GuardedRoot } from './guarded-root.js'
import { cannotHold, fileSystemError, hasCode, notFound } from './local-errors.js'
import { makeFolder } from './make-folder.js'
import { readOpenFile } from './read-open-file.js'
import { headersOf, type ObjectHeaders, type Sidecar, Sidecars } from './sidecar.js'

/** Where {@link LocalDriver} keeps its files. */
export interface LocalDriverOptions {
  /**
   * A folder of its own, made where it is missing. Nothing below it may be a symbolic link, and nobody but the
   * application may write there: who swaps folders for links at the right moment leads a read out of it.
   */
  root: string
}

const NO_SIDECAR = Promise.resolve(undefined)

/** A file that is written and flushed, and lacks nothing but its name. */
interface FinishedFile extends Pick<PutOptions, 'ifNoneMatch' | 'signal'> {
  readonly key: string
  readonly path: string
  readonly temporary: string
  readonly stats: Stats
  readonly headers: ObjectHeaders
}

/**
 * Keeps objects as files below one folder. A file appears complete or not at all: it is written under a
 * temporary name, flushed to the disk, and then given its own name in one step.
 *
 * @example new LocalDriver({ root: 'var/files' })
 */
export class LocalDriver implements Driver {
  readonly kind = 'local'
  readonly capabilities: DriverCapabilities = {
    createOnly: true,
    metadata: true,
    signedUrls: false,
    maxExpiresIn: null,
    encryption: [],
    storageClasses: [],
  }
  readonly #root: GuardedRoot
  readonly #sidecars: Sidecars

  /** @throws ERR_CONFIG without a root */
  constructor(options: LocalDriverOptions) {
    this.#root = new GuardedRoot(options.root)
    this.#sidecars = new Sidecars(this.#root)
  }

  /** Makes the folder, and sweeps what a killed process left in it. @throws ERR_CONFIG where the root is no folder */
  async ready(): Promise<void> {
    try {
      await this.#root.open()
      await sweep(this.#root.privatePath('tmp'))
    } catch (error) {
      throw fileSystemError(error, 'ready')
    }
  }

  async put(key: string, body: PutBody, options: PutOptions): Promise<PutResult> {
    takeBody(body)
    try {
      return await this.#writing('put', key, options, async () => {
        const path = await this.#root.pathOf(key)
        return this.#withTemporary(async temporary => {
          const stats = await writeDurably(temporary, body, options)
          await this.#publish({ key, path, temporary, stats, headers: options, ...options })
          return { size: stats.size, etag: etagOf(stats) }
        })
      })
    } finally {
      endBody(body)
    }
  }

  async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    return this.#reading('get', key, options, async () => {
      const sidecar = options.headers === 'known' ? NO_SIDECAR : this.#sidecars.find(key)
      sidecar.catch(() => {}) // it is waited for below, unless the file itself fails
      const file = await this.#root.openFile(key)
      return this.#read(file, key, sidecar, options).catch(error => {
        closeFile(file)
        throw error
      })
    })
  }

  async #read(
    file: number,
    key: string,
    sidecar: Promise<Sidecar | undefined>,
    { range: asked, signal }: GetOptions,
  ): Promise<GetResult> {
    const stats = fstatSync(file) // no wait: what has just been opened is in memory
    if (!stats.isFile()) throw notFound()
    const info = infoOf(stats, headersOf(key, stats, await sidecar))
    const range = asked && resolveRange(asked, stats.size)
    const part =
      range === undefined
        ? { start: 0, length: stats.size }
        : { start: range.start, length: range.end - range.start + 1 }
    return { body: await readOpenFile(file, part, signal), info, range }
  }

  async head(key: string, options: OperationOptions = {}): Promise<ObjectInfo> {
    return this.#reading('head', key, options, async () => {
      const stats = await lstat(await this.#root.pathOf(key))
      if (!stats.isFile()) throw notFound()
      return infoOf(stats, headersOf(key, stats, await this.#sidecars.find(key)))
    })
  }

  async delete(key: string, options: OperationOptions = {}): Promise<void> {
    try {
      await this.#reading('delete', key, options, async () => {
        const path = await this.#root.pathOf(key)
        if (!(await lstat(path)).isFile()) return // a folder: as an object it is not there
        await unlink(path)
        await this.#sidecars.delete(key)
      })
    } catch (error) {
      if (!StorageError.is(error, 'ERR_FILE_NOT_FOUND')) throw error
    }
  }

  async copy(from: string, to: string, options: OperationOptions = {}): Promise<void> {
    const { contentType, contentDisposition, cacheControl } = await this.#reading('copy', from, options, () =>
      this.head(from),
    )
    await this.#writing('copy', to, options, async () => {
      const [source, path] = [await this.#root.pathOf(from), await this.#root.pathOf(to)]
      await this.#withTemporary(async temporary => {
        await copyFile(source, temporary, constants.COPYFILE_FICLONE).catch(error => {
          throw hasCode(error, 'ENOENT') ? notFound(error) : error // deleted since it was looked at
        })
        const stats = await flush(temporary)
        const headers = { contentType, contentDisposition, cacheControl }
        await this.#publish({ key: to, path, temporary, stats, headers, ...options })
      })
    })
  }

  async *list(prefix: string, options: OperationOptions = {}): AsyncGenerator<ObjectEntry> {
    throwIfAborted(options.signal)
    const folder = await this.#root.folderOf(prefix)
    yield* listFolder(folder, prefix, path => this.#root.isPrivate(path), options.signal)
  }

  /** Below `root`, the path of a file is its key. @throws ERR_KEY_INVALID */
  pathWithin(key: string): string {
    assertObjectKey(key)
    return key
  }

  /**
   * Gives a finished file its own name: `link` fails where the name is taken, `rename` replaces. All that may
   * still fail is done before that moment, so that an error means: no object.
   */
  async #publish(file: FinishedFile): Promise<void> {
    const { key, path, temporary, stats, headers, ifNoneMatch, signal } = file
    const placeSidecar = await this.#sidecars.prepare(key, headers, stats, sidecarOf(temporary))
    const firstMade = await makeFolder(dirname(path)).catch(error => {
      throw hasCode(error, 'EEXIST', 'ENOTDIR') ? cannotHold(error) : error
    })
    // Another upload may have made a folder of the path meanwhile, in other letters or as a link.
    await this.#root.pathOf(key)
    throwIfAborted(signal)
    await nameFile(temporary, path, ifNoneMatch)
    try {
      await placeSidecar()
      await flushFolders(dirname(path), firstMade)
    } catch (error) {
      await rm(path, { force: true })
      throw error
    }
  }

  async #withTemporary<T>(use: (temporary: string) => Promise<T>): Promise<T> {
    const temporary = this.#root.privatePath('tmp', randomUUID())
    try {
      return await use(temporary)
    } finally {
      await rm(temporary, { force: true })
      await rm(sidecarOf(temporary), { force: true })
    }
  }

  /** Where something is read, a file in the place of a folder means: not there. */
  async #reading<T>(
    operation: string,
    key: string,
    { signal }: OperationOptions,
    run: () => Promise<T>,
  ): Promise<T> {
    try {
      assertObjectKey(key)
      throwIfAborted(signal)
      return await run()
    } catch (error) {
      throw fileSystemError(hasCode(error, 'ENOTDIR') ? notFound(error) : error, operation, key)
    }
  }

  /** Where something is written, a path that is missing is the storage folder itself, not the file. */
  async #writing<T>(
    operation: string,
    key: string,
    { signal }: OperationOptions,
    run: () => Promise<T>,
  ): Promise<T> {
    try {
      assertObjectKey(key)
      throwIfAborted(signal)
      return await run()
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw fileSystemError(error, operation, key)
      throw new StorageError('ERR_BACKEND', 'The storage folder is gone.', { operation, key, cause: error })
    }
  }
}

function sidecarOf(temporary: string): string {
  return `${temporary}.json`
}

function infoOf(stats: Stats, headers: ObjectHeaders): ObjectInfo {
  return { size: stats.size, ...headers, etag: etagOf(stats), lastModified: stats.mtime }
}

function etagOf(stats: Stats): string {
  return `"${stats.size.toString(36)}-${Math.trunc(stats.mtimeMs).toString(36)}-${stats.ino.toString(36)}"`
}
