import { randomUUID } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { copyFile, type FileHandle, link, mkdir, open, rename, rm, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { throwIfAborted } from '../../core/abort.js'
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
import { flush, flushFolders, sweep, writeDurably } from './durable-file.js'
import { listFolder } from './folder-listing.js'
import { GuardedRoot } from './guarded-root.js'
import { fileSystemError, hasCode } from './local-errors.js'
import { type ObjectHeaders, Sidecars } from './sidecar.js'

/** Where {@link LocalDriver} keeps its files. */
export interface LocalDriverOptions {
  /** A folder of its own, made where it is missing. Nothing below it may be a symbolic link. */
  root: string
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
  }
  readonly #root: GuardedRoot
  readonly #sidecars: Sidecars

  /** @throws ERR_CONFIG without a root */
  constructor(options: LocalDriverOptions) {
    this.#root = new GuardedRoot(options.root)
    this.#sidecars = new Sidecars(this.#root)
  }

  /** Makes the folder, and sweeps what a killed process left in it. */
  async ready(): Promise<void> {
    await this.#root.open()
    await sweep(this.#root.privatePath('tmp'))
  }

  async put(key: string, body: PutBody, options: PutOptions): Promise<PutResult> {
    return this.#attempt('put', key, body, async () => {
      throwIfAborted(options.signal)
      const path = await this.#root.pathOf(key)
      return this.#withTemporary(async temporary => {
        const stats = await writeDurably(temporary, body, options.signal)
        await this.#publish(temporary, path, options.ifNoneMatch)
        await this.#sidecars.write(key, options, stats, `${temporary}.json`)
        return { size: stats.size, etag: etagOf(stats) }
      })
    })
  }

  async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    return this.#attempt('get', key, undefined, async () => {
      throwIfAborted(options.signal)
      const handle = await open(await this.#root.pathOf(key), constants.O_RDONLY | constants.O_NOFOLLOW)
      return this.#read(handle, key, options).catch(async error => {
        await handle.close()
        throw error
      })
    })
  }

  async #read(handle: FileHandle, key: string, { range: asked, signal }: GetOptions): Promise<GetResult> {
    const stats = await handle.stat()
    if (!stats.isFile()) throw new StorageError('ERR_FILE_NOT_FOUND', 'There is no such file.')
    const info = infoOf(stats, await this.#sidecars.read(key, stats))
    const range = asked && resolveRange(asked, stats.size)
    if (stats.size === 0) {
      await handle.close()
      return { body: Readable.from([]), info, range }
    }
    return { body: handle.createReadStream({ ...range, signal }), info, range }
  }

  async head(key: string, options: OperationOptions = {}): Promise<ObjectInfo> {
    return this.#attempt('head', key, undefined, async () => {
      throwIfAborted(options.signal)
      const stats = await stat(await this.#root.pathOf(key))
      if (!stats.isFile()) throw new StorageError('ERR_FILE_NOT_FOUND', 'There is no such file.')
      return infoOf(stats, await this.#sidecars.read(key, stats))
    })
  }

  async delete(key: string, options: OperationOptions = {}): Promise<void> {
    await this.#attempt('delete', key, undefined, async () => {
      throwIfAborted(options.signal)
      const path = await this.#root.pathOf(key)
      await unlink(path).catch(error => {
        // EISDIR, EPERM: a folder; as an object it is not there.
        if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'EISDIR')) throw error
      })
      await this.#sidecars.delete(key)
    })
  }

  async copy(from: string, to: string, options: OperationOptions = {}): Promise<void> {
    await this.#attempt('copy', from, undefined, async () => {
      throwIfAborted(options.signal)
      const { contentType, contentDisposition, cacheControl } = await this.head(from)
      const [source, target] = [await this.#root.pathOf(from), await this.#root.pathOf(to)]
      await this.#withTemporary(async temporary => {
        await copyFile(source, temporary, constants.COPYFILE_FICLONE)
        const stats = await flush(temporary)
        await this.#publish(temporary, target, undefined)
        await this.#sidecars.write(
          to,
          { contentType, contentDisposition, cacheControl },
          stats,
          `${temporary}.json`,
        )
      })
    })
  }

  async *list(prefix: string, options: OperationOptions = {}): AsyncGenerator<ObjectEntry> {
    const folder = await this.#root.folderOf(prefix)
    yield* listFolder(folder, prefix, path => this.#root.isPrivate(path), options.signal)
  }

  /** Gives a finished file its own name: `link` fails where the name is taken, `rename` replaces. */
  async #publish(temporary: string, path: string, ifNoneMatch: '*' | undefined): Promise<void> {
    const firstMade = await mkdir(dirname(path), { recursive: true, mode: 0o750 })
    await (ifNoneMatch === '*' ? link(temporary, path) : rename(temporary, path))
    await flushFolders(dirname(path), firstMade)
  }

  async #withTemporary<T>(use: (temporary: string) => Promise<T>): Promise<T> {
    const temporary = this.#root.privatePath('tmp', randomUUID())
    try {
      return await use(temporary)
    } finally {
      await rm(temporary, { force: true })
      await rm(`${temporary}.json`, { force: true })
    }
  }

  /** Runs one operation: names its errors, and lets go of a body that nobody will read. */
  async #attempt<T>(
    operation: string,
    key: string,
    body: PutBody | undefined,
    run: () => Promise<T>,
  ): Promise<T> {
    try {
      assertObjectKey(key)
      return await run()
    } catch (error) {
      if (body instanceof Readable) body.destroy()
      // Where something is written, a path that is missing is the storage folder itself, not the file.
      if (operation === 'put' && hasCode(error, 'ENOENT')) {
        throw new StorageError('ERR_BACKEND', 'The storage folder is gone.', { operation, key, cause: error })
      }
      throw fileSystemError(error, operation, key)
    }
  }
}

function infoOf(stats: Stats, headers: ObjectHeaders): ObjectInfo {
  return { size: stats.size, ...headers, etag: etagOf(stats), lastModified: stats.mtime }
}

function etagOf(stats: Stats): string {
  return `"${stats.size.toString(36)}-${Math.trunc(stats.mtimeMs).toString(36)}-${stats.ino.toString(36)}"`
}
