import { Command, CommanderError } from 'commander'
import { StorageError } from '../core/errors.js'
import { pushStaticCommand } from './commands/push-static.js'
import { urlCommand } from './commands/url.js'
import { EXIT, type ExitCode, Misuse } from './exit-code.js'
import type { Screen } from './screen.js'
import { type CliSurroundings, Workplace } from './workplace.js'

/** Runs one command to its end. Never rejects. */
export async function runCli(args: readonly string[], surroundings: CliSurroundings): Promise<ExitCode> {
  const { screen } = surroundings
  const place = new Workplace(surroundings)
  const program = new Command('tenant-files')
    .description('Works on the files of an application that uses tenant-files.')
    .option(
      '--config <file>',
      'exports "storage" and "dataSource" (default: the nearest tenant-files.config.mjs)',
    )
    .option('--json', 'print the result as JSON')
    .exitOverride()
    .configureOutput({
      writeOut: text => screen.print(text.trimEnd()),
      writeErr: text => screen.say(text.trimEnd()),
    })
  for (const command of [urlCommand, pushStaticCommand])
    program.addCommand(command(place).copyInheritedSettings(program))
  try {
    await program.parseAsync([...args], { from: 'user' })
    return place.exitCode
  } catch (error) {
    return explain(error, screen)
  } finally {
    await place.close()
  }
}

function explain(error: unknown, screen: Screen): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.misused
  if (error instanceof Misuse) {
    screen.say(error.message)
    return EXIT.misused
  }
  if (StorageError.is(error)) {
    screen.say(`${error.code}: ${error.message}`)
    return error.code === 'ERR_CONFIG' ? EXIT.misused : EXIT.failed
  }
  screen.say(error instanceof Error ? (error.stack ?? error.message) : String(error))
  return EXIT.failed
}
