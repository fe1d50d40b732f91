import { existsSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { DataSource } from 'typeorm'
import type { Storage } from '../core/storage.js'
import { boundTo } from '../typeorm/bound.js'
import { Misuse, messageOf } from './exit-code.js'

/** What the application gives to the command line. */
export interface CliConfig {
  /** Where it was found. */
  readonly file: string
  readonly storage: Storage
  /** Given to `withFiles()`. */
  readonly dataSource?: DataSource
}

/** Where the application says what the command works on. */
export interface ConfigPlace {
  /** Relative to the folder where the command runs, as `dataSource` is. */
  readonly config?: string
  /** A module that exports a DataSource; then no configuration is looked for. */
  readonly dataSource?: string
}

const NAMES = ['mjs', 'js', 'cjs', 'ts', 'mts'].map(extension => `tenant-files.config.${extension}`)

/**
 * Loads what the application gives: the module of a DataSource, the named configuration, or the nearest
 * `tenant-files.config.*` in this folder and those above it.
 *
 * @throws Misuse
 */
export async function loadConfig(folder: string, place: ConfigPlace): Promise<CliConfig> {
  const { config, dataSource } = place
  if (config !== undefined && dataSource !== undefined)
    throw new Misuse('Take either --config or --data-source.')
  if (dataSource !== undefined) return loadDataSource(path.resolve(folder, dataSource))
  return loadNamed(config === undefined ? findConfig(folder) : path.resolve(folder, config))
}

async function loadNamed(file: string): Promise<CliConfig> {
  const found = await load(file)
  const { dataSource } = found
  if (dataSource !== undefined && !isDataSource(dataSource)) {
    throw new Misuse(`The "dataSource" of ${file} is none. Export the DataSource that withFiles() gave.`)
  }
  const storage = found.storage ?? (dataSource && boundTo(dataSource)?.storage)
  if (!isStorage(storage)) {
    throw new Misuse(`${file} exports no "storage". Export the storage that createStorage() gave.`)
  }
  return { file, storage, dataSource }
}

/** TypeORM's own command line finds it in the same way: by any name, also behind a promise. */
async function loadDataSource(file: string): Promise<CliConfig> {
  const exported = await Promise.all(Object.values(await load(file)))
  const found = [...new Set(exported.filter(isDataSource))]
  const [dataSource] = found
  if (dataSource === undefined) throw new Misuse(`${file} exports no DataSource.`)
  if (found.length > 1)
    throw new Misuse(`${file} exports ${found.length} DataSources. Name a module that exports one.`)
  const storage = boundTo(dataSource)?.storage
  if (isStorage(storage)) return { file, storage, dataSource }
  throw new Misuse(`The DataSource of ${file} was not given to withFiles(storage, dataSource).`)
}

function findConfig(start: string): string {
  for (let folder = start; ; folder = path.dirname(folder)) {
    const found = NAMES.map(name => path.join(folder, name)).find(file => existsSync(file))
    if (found !== undefined) return found
    if (path.dirname(folder) === folder) break
  }
  throw new Misuse(
    'There is no tenant-files.config.mjs here or above. Make one that exports "storage" and "dataSource", or name a module that exports the DataSource with --data-source.',
  )
}

/** The exports of a module. Those of CommonJS, or of an object that is the default, are among them. */
async function load(file: string): Promise<Record<string, unknown>> {
  if (!existsSync(file)) throw new Misuse(`There is no ${file}.`)
  try {
    const module: Record<string, unknown> = await import(pathToFileURL(file).href)
    const byDefault: unknown = await module.default
    return isDataSource(byDefault) ? module : { ...Object(byDefault), ...module }
  } catch (cause) {
    throw new Misuse(`${file} cannot be loaded: ${messageOf(cause)}${hintFor(file, cause)}`, { cause })
  }
}

function hintFor(file: string, error: unknown): string {
  const { name, code } = Object(error)
  if (name === 'ColumnTypeUndefinedError')
    return '\ntsx writes no types of properties for decorators. Name the type of each @Column, or take the compiled application.'
  if (code !== 'ERR_UNKNOWN_FILE_EXTENSION' && !/\.[mc]?ts$/.test(file)) return ''
  return '\nFor TypeScript run: node --import tsx node_modules/tenant-files/dist/cli/main.js …'
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
