import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { hasCode } from './local-errors.js'

/**
 * Makes a folder and those above it, and gives the topmost one that was missing. Not node's `recursive`: that one
 * answers ENOENT where the disk is full or read-only, which would read as "no such file".
 */
export async function makeFolder(path: string): Promise<string | undefined> {
  try {
    await mkdir(path, { mode: 0o750 })
    return path
  } catch (error) {
    if (hasCode(error, 'EEXIST') && (await stat(path)).isDirectory()) return undefined
    const parent = dirname(path)
    if (!hasCode(error, 'ENOENT') || parent === path) throw error
    const firstMade = await makeFolder(parent)
    const made = await makeFolder(path)
    return firstMade ?? made
  }
}
