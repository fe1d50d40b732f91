import { existsSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { DataSource } from 'typeorm'
import type { Storage } from '../core/storage.js'
import { Misuse } from './exit-code.js'

/** What the application gives to the command line. */
export interface CliConfig {
  readonly storage: Storage
  /** Given to `withFiles()`, and not initialized. */
  readonly dataSource?: DataSource
}

const NAMES = ['mjs', 'js', 'cjs', 'ts', 'mts'].map(extension => `tenant-files.config.${extension}`)

/**
 * Loads the application's configuration: the named file, or the nearest `tenant-files.config.*` in this folder and
 * those above it.
 *
 * @throws Misuse
 */
export async function loadConfig(folder: string, named: string | undefined): Promise<CliConfig> {
  const file = named === undefined ? findConfig(folder) : path.resolve(folder, named)
  const found = await load(file)
  const storage = found.storage
  if (!isStorage(storage)) {
    throw new Misuse(`${file} exports no "storage". Export the storage that createStorage() gave.`)
  }
  const { dataSource } = found
  if (dataSource !== undefined && !isDataSource(dataSource)) {
    throw new Misuse(`The "dataSource" of ${file} is none. Export the DataSource that withFiles() gave.`)
  }
  return { storage, dataSource }
}

function findConfig(start: string): string {
  for (let folder = start; ; folder = path.dirname(folder)) {
    const found = NAMES.map(name => path.join(folder, name)).find(file => existsSync(file))
    if (found !== undefined) return found
    if (path.dirname(folder) === folder) break
  }
  throw new Misuse(
    `There is no tenant-files.config.mjs here or above. Make one that exports "storage" and "dataSource", or name a file with --config.`,
  )
}

async function load(file: string): Promise<Record<string, unknown>> {
  if (!existsSync(file)) throw new Misuse(`There is no ${file}.`)
  try {
    const module: Record<string, unknown> = await import(pathToFileURL(file).href)
    // A CommonJS module, or one that exports an object.
    return 'storage' in module ? module : Object(module.default)
  } catch (cause) {
    throw new Misuse(`${file} cannot be loaded: ${messageOf(cause)}${hintFor(file)}`, { cause })
  }
}

function hintFor(file: string): string {
  if (!/\.m?ts$/.test(file)) return ''
  return '\nFor TypeScript run: node --import tsx node_modules/tenant-files/dist/cli/main.js …'
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function isStorage(value: unknown): value is Storage {
  return hasMethods(value, 'disk', 'ready', 'close')
}

function isDataSource(value: unknown): value is DataSource {
  return hasMethods(value, 'initialize', 'destroy', 'getRepository')
}

function hasMethods(value: unknown, ...names: string[]): boolean {
  const record: Record<string, unknown> = Object(value)
  return names.every(name => typeof record[name] === 'function')
}
