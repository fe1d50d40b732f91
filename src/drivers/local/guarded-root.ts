import { constants, realpathSync } from 'node:fs'
import { lstat, realpath } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { StorageError } from '../../core/errors.js'
import { assertListPrefix, assertObjectKey } from '../../core/key.js'
import { closeFile, openFile } from './descriptor.js'
import { assertSpelling, foldsCase } from './letter-case.js'
import { fileSystemError, hasCode } from './local-errors.js'
import { makeFolder } from './make-folder.js'

/** The driver's own folder below the root: temporary files and metadata. No key reaches it. */
const PRIVATE_FOLDER = '.tenant-files'

/** A link is not followed, and a pipe that somebody put there is not waited for (Windows knows neither flag). */
const READ_ONLY = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/**
 * The one door to the file system. Every path that the local driver touches comes from here, and nowhere else
 * may a key be joined with the root: all protection against leaving it stands in this file. It rejects, and
 * never rewrites.
 */
export class GuardedRoot {
  readonly #configured: string
  #real: string | undefined
  #foldsCase = false

  constructor(root: string) {
    if (typeof root !== 'string' || root === '' || root.includes('\0')) {
      throw new StorageError(
        'ERR_CONFIG',
        'LocalDriver needs the folder that holds its files: new LocalDriver({ root: "var/files" }).',
      )
    }
    this.#configured = resolve(root)
  }

  /** Makes the root. @throws ERR_CONFIG, ERR_BACKEND_DENIED, ERR_DISK_FULL */
  async open(): Promise<void> {
    try {
      await makeFolder(join(this.#configured, PRIVATE_FOLDER, 'tmp'))
      const real = await realpath(this.#configured)
      this.#foldsCase = await foldsCase(real, PRIVATE_FOLDER)
      this.#real = real
    } catch (error) {
      if (!hasCode(error, 'EEXIST', 'ENOTDIR')) throw fileSystemError(error, 'ready')
      throw new StorageError('ERR_CONFIG', 'The root of LocalDriver, or a part of its path, is a file.', {
        cause: error,
      })
    }
  }

  /** The path of an object, which need not exist. @throws ERR_KEY_INVALID */
  async pathOf(key: string): Promise<string> {
    const path = this.#join(key)
    await this.#assertStraight(path)
    return path
  }

  /** Opens an object for reading; the caller closes it. @throws ERR_KEY_INVALID before anything was read */
  async openFile(key: string): Promise<number> {
    const path = this.#join(key)
    if (this.#foldsCase) await this.#assertStraight(path)
    const file = await openFile(path, READ_ONLY).catch(async error => {
      await assertNoLink(path)
      throw error
    })
    try {
      // Opening has just walked the whole path, so that looking at it once more waits for no disk.
      if (realpathSync.native(path) !== path) throw invalidKey()
    } catch (error) {
      closeFile(file)
      throw error
    }
    return file
  }

  #join(key: string): string {
    assertObjectKey(key)
    const root = this.#root()
    const path = join(root, ...key.split('/'))
    // `join` and the key's own rules make this true on every system we know; a door is checked all the same.
    if (!path.startsWith(root + sep) || key.split('/', 1)[0] === PRIVATE_FOLDER) throw invalidKey()
    return path
  }

  /** That a path leads nowhere else: by a link, or by another spelling of its letters. */
  async #assertStraight(path: string): Promise<void> {
    const root = this.#root()
    if (this.#foldsCase) await assertSpelling(root, path.slice(root.length + 1).split(sep))
    await assertNoLink(path)
  }

  /** The folder that a prefix means. @param prefix empty, or ending with `/` @throws ERR_KEY_INVALID */
  async folderOf(prefix: string): Promise<string> {
    if (prefix === '') return this.#root()
    assertListPrefix(prefix)
    return this.pathOf(prefix.slice(0, -1))
  }

  /** A path in the driver's own folder. @param names plain names of our own making, never from outside */
  privatePath(...names: string[]): string {
    return join(this.#root(), PRIVATE_FOLDER, ...names)
  }

  isPrivate(path: string): boolean {
    return path === join(this.#root(), PRIVATE_FOLDER)
  }

  #root(): string {
    if (this.#real !== undefined) return this.#real
    throw new StorageError(
      'ERR_NOT_READY',
      'The local driver is not ready. Wait for `await storage.ready()`.',
    )
  }
}

/** Below the root nothing may be a symbolic link: one could lead out of it, or into another tenant's folder. */
async function assertNoLink(path: string): Promise<void> {
  try {
    if ((await realpath(path)) !== path) throw invalidKey()
  } catch (error) {
    // What does not exist yet is judged by the folder it will lie in; a link to nowhere does exist.
    if (hasCode(error, 'ENOENT')) {
      const kind = await kindOf(path)
      if (kind === 'link') throw invalidKey()
      // Another upload has made it since: what it is now, counts.
      return assertNoLink(kind === 'missing' ? dirname(path) : path)
    }
    if (hasCode(error, 'ENOTDIR')) return
    throw StorageError.is(error) ? error : fileSystemError(error, 'resolve')
  }
}

async function kindOf(path: string): Promise<'missing' | 'link' | 'other'> {
  return lstat(path).then(
    stats => (stats.isSymbolicLink() ? 'link' : 'other'),
    () => 'missing',
  )
}

function invalidKey(): StorageError {
  return new StorageError('ERR_KEY_INVALID', 'This is not a valid object key: it leads out of the storage.')
}
