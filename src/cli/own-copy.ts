import { createRequire } from 'node:module'
import path from 'node:path'
import { Storage } from '../core/storage.js'
import type { CliConfig } from './config.js'
import { type ExitCode, Misuse } from './exit-code.js'
import type * as Program from './program.js'
import type { CliSurroundings } from './workplace.js'

const ADVICE = 'Run the one in its node_modules.'

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

/** Runs the command line of the copy that the application has, loaded as the application loads it. @throws Misuse */
export function runOtherCopy(
  { file, message }: OtherCopy,
  args: readonly string[],
  surroundings: CliSurroundings,
): Promise<ExitCode> {
  if (surroundings.isOtherCopy) throw new Misuse(`${message} ${ADVICE}`)
  const load = loaderOf(file, message)
  const program: typeof Program = load('./cli/program.js')
  return program.runCli(args, {
    ...surroundings,
    rooms: {
      typeorm: async () => load('./typeorm/index.js'),
      migrate: async () => load('./migrate/index.js'),
    },
    isOtherCopy: true,
  })
}

/** By `require`: an `import` in a module that a loader made CommonJS of would give an ES module again. */
function loaderOf(file: string, message: string): NodeJS.Require {
  const require = createRequire(file)
  try {
    const home = path.dirname(require.resolve('tenant-files/package.json'))
    // By the path of a file in the folder that names are relative to.
    return createRequire(path.join(home, 'dist', 'here.js'))
  } catch (cause) {
    throw new Misuse(`${message} ${ADVICE}`, { cause })
  }
}
