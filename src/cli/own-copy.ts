import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { Storage } from '../core/storage.js'
import type { CliConfig } from './config.js'
import { Misuse } from './exit-code.js'
import type { runCli } from './program.js'

/** The application works with another copy of this package than the command that runs. */
export class OtherCopy extends Error {
  override readonly name = 'OtherCopy'
  /** The module of the application. */
  readonly file: string

  constructor(file: string) {
    super(`${file} works with another copy of tenant-files than this command.`)
    this.file = file
  }
}

/**
 * Our classes, and the tenant that code runs for, are known within one copy only. There are two where the command
 * is not that of the application's node_modules, and where a loader of TypeScript makes CommonJS of the application
 * and of all that it requires.
 *
 * @throws OtherCopy
 */
export function assertOwnCopy({ storage, file }: CliConfig): void {
  if (!(storage instanceof Storage)) throw new OtherCopy(file)
}

/** The command line of the copy that the application has, loaded as the application loads it. @throws Misuse */
export function programOf({ file, message }: OtherCopy): typeof runCli {
  const require = createRequire(file)
  const program = path.join(homeOf(require, message), 'dist', 'cli', 'program.js')
  if (!existsSync(program)) throw new Misuse(`${message} That one has no command line.`)
  const loaded: { runCli: typeof runCli } = require(program)
  return loaded.runCli
}

function homeOf(require: NodeJS.Require, message: string): string {
  try {
    return path.dirname(require.resolve('tenant-files/package.json'))
  } catch (cause) {
    throw new Misuse(`${message} Run the one in its node_modules.`, { cause })
  }
}
