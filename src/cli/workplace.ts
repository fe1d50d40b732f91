import type { DataSource } from 'typeorm'
import { StorageError } from '../core/errors.js'
import type { Storage } from '../core/storage.js'
import type * as MigrateRoom from '../migrate/index.js'
import type * as TypeormRoom from '../typeorm/index.js'
import { settledWithin } from '../typeorm/reaper/settled-within.js'
import { type CliConfig, type ConfigPlace, loadConfig } from './config.js'
import { EXIT, type ExitCode, Misuse, messageOf, Stopped } from './exit-code.js'
import { assertOwnCopy } from './own-copy.js'
import type { Screen } from './screen.js'

/** The rooms that need a package which not every application has; loaded as the application loads them. */
export interface Rooms {
  typeorm(): Promise<typeof TypeormRoom>
  migrate(): Promise<typeof MigrateRoom>
}

/** Where the command line runs. */
export interface CliSurroundings {
  /** The folder that relative paths start from. */
  readonly folder: string
  readonly screen: Screen
  readonly signal: AbortSignal
  readonly rooms: Rooms
  /** The command was begun by another copy of this package, which is not the application's. */
  readonly isOtherCopy?: boolean
}

/** The options that every command has. */
export interface GlobalOptions extends ConfigPlace {
  readonly json?: true
}

/** How long the application's connections may take to close, in milliseconds. */
const CLOSE_TIME = 10_000

/** What a command works with: the application's storage and DataSource, opened when they are first needed. */
export class Workplace {
  readonly folder: string
  readonly screen: Screen
  exitCode: ExitCode = EXIT.done
  /** Ends what is under way; Ctrl-C for example. */
  readonly signal: AbortSignal
  /** For a command that has its DataSource. */
  readonly rooms: Rooms
  #config: CliConfig | undefined

  constructor({ folder, screen, signal, rooms }: CliSurroundings) {
    this.folder = folder
    this.screen = screen
    this.signal = signal
    this.rooms = rooms
  }

  async storage(options: GlobalOptions): Promise<Storage> {
    const { storage } = await this.#load(options)
    await this.#orStopped(storage.ready())
    return storage
  }

  /** Initialized, and so with an open ledger. @throws Misuse */
  async dataSource(options: GlobalOptions): Promise<DataSource> {
    const { dataSource } = await this.#load(options)
    if (dataSource === undefined) {
      throw new Misuse('This command needs the database: export "dataSource" from the configuration too.')
    }
    if (!dataSource.isInitialized) await this.#orStopped(initialize(dataSource))
    return dataSource
  }

  /** Prints the result, for a program or for a person. */
  report(options: GlobalOptions, result: unknown, text: string): void {
    if (options.json) this.screen.printJson(result)
    else this.screen.print(text)
  }

  /** Ends between two steps of a command. @throws Stopped */
  assertGoingOn(): void {
    if (this.signal.aborted) throw new Stopped()
  }

  /** Never rejects: what the command did is done, and what it found is said. */
  async close(): Promise<void> {
    const closing = this.#close().catch(error => {
      this.screen.say(`The connections could not be closed: ${messageOf(error)}`)
    })
    await settledWithin([closing], CLOSE_TIME)
  }

  async #close(): Promise<void> {
    if (this.#config?.dataSource?.isInitialized) await this.#config.dataSource.destroy()
    await this.#config?.storage.close()
  }

  async #load(options: GlobalOptions): Promise<CliConfig> {
    if (this.#config !== undefined) return this.#config
    const config = await this.#orStopped(loadConfig(this.folder, options))
    assertOwnCopy(config)
    this.#config = config
    return config
  }

  /** The application's own start takes no signal; at least it need not be waited for. @throws Stopped */
  async #orStopped<T>(work: Promise<T>): Promise<T> {
    const { signal } = this
    let stop = () => {}
    const stopped = new Promise<never>((_, reject) => {
      stop = () => reject(new Stopped())
      signal.addEventListener('abort', stop)
      if (signal.aborted) stop()
    })
    try {
      return await Promise.race([work, stopped])
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }
}

/** @throws Misuse when the database cannot be opened */
async function initialize(dataSource: DataSource): Promise<void> {
  try {
    await dataSource.initialize()
  } catch (cause) {
    if (StorageError.is(cause)) throw cause
    throw new Misuse(`The database cannot be opened: ${messageOf(cause)}`, { cause })
  }
}
