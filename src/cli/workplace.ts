import type { DataSource } from 'typeorm'
import type { Storage } from '../core/storage.js'
import { type CliConfig, loadConfig } from './config.js'
import { EXIT, type ExitCode, Misuse } from './exit-code.js'
import type { Screen } from './screen.js'

/** Where the command line runs. */
export interface CliSurroundings {
  /** The folder that relative paths start from. */
  readonly folder: string
  readonly screen: Screen
  readonly signal: AbortSignal
}

/** The options that every command has. */
export interface GlobalOptions {
  readonly config?: string
  readonly json?: true
}

/** What a command works with: the application's storage and DataSource, opened when they are first needed. */
export class Workplace {
  readonly folder: string
  readonly screen: Screen
  exitCode: ExitCode = EXIT.done
  /** Ends what is under way; Ctrl-C for example. */
  readonly signal: AbortSignal
  #config: CliConfig | undefined

  constructor({ folder, screen, signal }: CliSurroundings) {
    this.folder = folder
    this.screen = screen
    this.signal = signal
  }

  async storage(options: GlobalOptions): Promise<Storage> {
    const { storage } = await this.#load(options)
    await storage.ready()
    return storage
  }

  /** Initialized, and so with an open ledger. @throws Misuse */
  async dataSource(options: GlobalOptions): Promise<DataSource> {
    const { dataSource } = await this.#load(options)
    if (dataSource === undefined) {
      throw new Misuse('This command needs the database: export "dataSource" from the configuration too.')
    }
    if (!dataSource.isInitialized) await dataSource.initialize()
    return dataSource
  }

  /** Prints the result, for a program or for a person. */
  report(options: GlobalOptions, result: unknown, text: string): void {
    if (options.json) this.screen.printJson(result)
    else this.screen.print(text)
  }

  async close(): Promise<void> {
    if (this.#config?.dataSource?.isInitialized) await this.#config.dataSource.destroy()
    await this.#config?.storage.close()
  }

  async #load({ config }: GlobalOptions): Promise<CliConfig> {
    this.#config ??= await loadConfig(this.folder, config)
    return this.#config
  }
}
