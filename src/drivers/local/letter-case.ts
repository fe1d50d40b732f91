import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { StorageError } from '../../core/errors.js'
import { hasCode } from './local-errors.js'

/**
 * Whether a folder is found under a name in other letters, as macOS, Windows and some mounts do. There
 * `media/acme` and `media/ACME`, two tenants, would be one folder.
 *
 * @param name of a folder that is there, in lower-case letters
 */
export async function foldsCase(parent: string, name: string): Promise<boolean> {
  const [folder, shouted] = await Promise.all([
    lstat(join(parent, name)),
    lstat(join(parent, name.toUpperCase())).catch(() => undefined),
  ])
  return folder.ino === shouted?.ino && folder.dev === shouted.dev
}

/**
 * For folders that fold case: every part of the path that is there must be there under exactly this name. Only a
 * listing tells, since the system itself answers to any spelling.
 *
 * @throws ERR_KEY_INVALID for a part that is there in another spelling
 */
export async function assertSpelling(root: string, names: readonly string[]): Promise<void> {
  let folder = root
  for (const name of names) {
    const path = join(folder, name)
    const kind = await kindOf(path)
    if (kind === 'file' || kind === 'folder') {
      if (!(await namesIn(folder)).includes(name) && (await kindOf(path)) !== 'missing') throw otherSpelling()
    }
    // What is missing has nothing below it, and links are refused as links.
    if (kind !== 'folder') return
    folder = path
  }
}

async function kindOf(path: string): Promise<'missing' | 'folder' | 'file' | 'link'> {
  try {
    const stats = await lstat(path)
    if (stats.isSymbolicLink()) return 'link'
    return stats.isDirectory() ? 'folder' : 'file'
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return 'missing'
    throw error
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(error => {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  })
}

function otherSpelling(): StorageError {
  return new StorageError(
    'ERR_KEY_INVALID',
    'A part of this key is there in other letters, and this file system takes both for one name. Keep the files on a file system that tells upper and lower case apart, or give tenants and folders names in lower case only.',
  )
}
