import { constants, type Stats } from 'node:fs'
import { type FileHandle, link, lstat, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type BodyOptions, readBody } from '../../core/body.js'
import type { PutBody } from '../../core/driver.js'
import { cannotHold, hasCode } from './local-errors.js'

/** Temporary files of a process that died are swept after a day: no upload takes so long. */
const STALE_AFTER = 24 * 60 * 60 * 1000

/** Writes a new file and waits until the disk has it. */
export async function writeDurably(path: string, body: PutBody, options: BodyOptions): Promise<Stats> {
  const handle = await open(path, 'wx', 0o640)
  try {
    // No write stream: one over a FileHandle keeps the handle, and with it this function, open for ever.
    for await (const chunk of readBody(body, options)) await writeAll(handle, chunk)
    await handle.sync()
    return await handle.stat()
  } finally {
    await handle.close()
  }
}

/** One `write` may take a part only, for example of more than 2 GiB. */
async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let rest = chunk; rest.length > 0; ) {
    const { bytesWritten } = await handle.write(rest)
    rest = rest.subarray(bytesWritten)
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

/** Gives a finished file its own name in one step: `link` fails where the name is taken, `rename` replaces. */
export async function nameFile(temporary: string, path: string, ifNoneMatch: '*' | undefined): Promise<void> {
  try {
    await (ifNoneMatch === '*' ? link(temporary, path) : rename(temporary, path))
  } catch (error) {
    const isFolder = hasCode(error, 'EEXIST', 'EISDIR', 'ENOTEMPTY') && (await lstat(path)).isDirectory()
    throw isFolder ? cannotHold(error) : error
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
    if (Date.now() - modified > STALE_AFTER) await rm(path, { force: true, recursive: true })
  }
}
