import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import path from 'node:path'
import { StorageError, type StorageErrorCode } from '../../../src/core/errors.js'
import { LocalDriver } from '../../../src/drivers/local/index.js'
import { tempDir } from '../../support/temp-dir.js'

export const TEXT = { contentType: 'text/plain' }

export async function newDriver(root = tempDir()): Promise<{ driver: LocalDriver; root: string }> {
  const driver = new LocalDriver({ root })
  await driver.ready()
  return { driver, root }
}

export async function codeOf(run: () => unknown): Promise<StorageErrorCode | 'none'> {
  try {
    await run()
    return 'none'
  } catch (error) {
    if (StorageError.is(error)) return error.code
    throw error
  }
}

export async function keysOf(driver: LocalDriver, prefix = ''): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of driver.list(prefix)) keys.push(key)
  return keys
}

/** Temporary files that are still there. */
export function leftovers(root: string): string[] {
  return readdirSync(path.join(root, '.tenant-files', 'tmp'))
}

/** All that lies below a folder, with its content, to see whether anything was touched. */
export function snapshot(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()
  return Object.fromEntries(names.map(name => [name, describe(path.join(folder, name))]))
}

function describe(file: string): string {
  const stats = lstatSync(file)
  if (stats.isSymbolicLink()) return `link to ${readlinkSync(file)}`
  return stats.isDirectory() ? 'folder' : `${stats.mtimeMs} ${readFileSync(file, 'latin1')}`
}
