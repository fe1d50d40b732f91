import type { Dirent } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { throwIfAborted } from '../../core/abort.js'
import type { ObjectEntry } from '../../core/driver.js'
import { fileSystemError, hasCode } from './local-errors.js'

/**
 * All files below a folder, in the order of their keys' UTF-8 bytes. Inside one folder a sub-folder sorts as its
 * name with a slash: the keys below it begin so, and `a.txt` comes before `a/b`.
 *
 * @param prefix what stands in front of the names: empty, or ending with `/`
 * @param isHidden whether a path is none of the caller's business
 */
export async function* listFolder(
  folder: string,
  prefix: string,
  isHidden: (path: string) => boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<ObjectEntry> {
  for (const { name, isFolder } of await sortedEntries(folder)) {
    throwIfAborted(signal)
    const path = join(folder, name)
    if (isFolder && !isHidden(path)) yield* listFolder(path, `${prefix}${name}/`, isHidden, signal)
    if (!isFolder) yield* listFile(path, prefix + name)
  }
}

async function sortedEntries(folder: string): Promise<{ name: string; isFolder: boolean }[]> {
  const entries = await read(folder)
  return entries
    .filter(entry => entry.isFile() || entry.isDirectory())
    .map(entry => ({ name: entry.name, isFolder: entry.isDirectory(), order: orderOf(entry) }))
    .sort((a, b) => Buffer.compare(a.order, b.order))
}

function orderOf(entry: Dirent): Buffer {
  return Buffer.from(entry.isDirectory() ? `${entry.name}/` : entry.name)
}

async function read(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [] // nothing was ever stored there
    throw fileSystemError(error, 'list')
  }
}

async function* listFile(path: string, key: string): AsyncGenerator<ObjectEntry> {
  try {
    const { size, mtime } = await lstat(path)
    yield { key, size, lastModified: mtime }
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw fileSystemError(error, 'list', key) // deleted since the folder was read
  }
}
