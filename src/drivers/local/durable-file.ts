import { constants, type Stats } from 'node:fs'
import { type FileHandle, open, readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { bodyError, throwIfAborted } from '../../core/abort.js'
import type { PutBody } from '../../core/driver.js'
import { hasCode } from './local-errors.js'

/** Temporary files of a process that died are swept after a day: no upload takes so long. */
const STALE_AFTER = 24 * 60 * 60 * 1000

/** Writes a new file and waits until the disk has it. */
export async function writeDurably(
  path: string,
  body: PutBody,
  signal: AbortSignal | undefined,
): Promise<Stats> {
  const handle = await open(path, 'wx', 0o640)
  try {
    if (body instanceof Uint8Array) await handle.writeFile(body)
    else await drain(body, handle, signal)
    await handle.sync()
    return await handle.stat()
  } finally {
    await handle.close()
  }
}

async function drain(body: Readable, handle: FileHandle, signal: AbortSignal | undefined): Promise<void> {
  const sink = handle.createWriteStream({ autoClose: false })
  const failed: { body?: unknown } = {}
  body.once('error', error => {
    failed.body = error
  })
  try {
    await pipeline(body, sink, { signal })
  } catch (error) {
    throwIfAborted(signal)
    // The file system's own errors carry its codes; everything else is the body's.
    throw failed.body === undefined && hasCode(error, 'ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EBADF')
      ? error
      : bodyError(failed.body ?? error)
  }
}

/** Waits until the disk has a file that was written by other means. */
export async function flush(path: string): Promise<Stats> {
  const handle = await open(path, 'r+')
  try {
    await handle.sync()
    return await handle.stat()
  } finally {
    await handle.close()
  }
}

/** Makes new names durable: the folder that holds the file, and the ones above it that were just made. */
export async function flushFolders(folder: string, firstMade: string | undefined): Promise<void> {
  for (let path = folder; ; path = dirname(path)) {
    await flushFolder(path)
    if (firstMade === undefined || path.length < firstMade.length) return
  }
}

async function flushFolder(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY).catch(error => {
    // Windows cannot open a folder, and needs no such flush.
    if (hasCode(error, 'EISDIR', 'EPERM', 'EACCES')) return undefined
    throw error
  })
  try {
    await handle?.sync()
  } finally {
    await handle?.close()
  }
}

/** Removes the temporary files of processes that died. */
export async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const modified = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => Date.now(),
    ) // gone meanwhile: another process swept
    if (Date.now() - modified > STALE_AFTER) await rm(path, { force: true })
  }
}
