import { Command, CommanderError } from 'commander'
import { StorageError, type StorageErrorCode } from '../core/errors.js'
import { adoptCommand } from './commands/adopt.js'
import { doctorCommand } from './commands/doctor.js'
import { ledgerCommand } from './commands/ledger.js'
import { migrateCommand } from './commands/migrate.js'
import { pruneCommand } from './commands/prune.js'
import { pushStaticCommand } from './commands/push-static.js'
import { reapCommand } from './commands/reap.js'
import { reconcileCommand } from './commands/reconcile.js'
import { rollbackCommand } from './commands/rollback.js'
import { statusCommand } from './commands/status.js'
import { urlCommand } from './commands/url.js'
import { usageCommand } from './commands/usage.js'
import { EXIT, type ExitCode, Misuse, Stopped, wordsFor } from './exit-code.js'
import { OtherCopy, runOtherCopy } from './own-copy.js'
import { type CliSurroundings, Workplace } from './workplace.js'

const COMMANDS = [
  ...[urlCommand, pushStaticCommand],
  ...[reapCommand, ledgerCommand, usageCommand, reconcileCommand],
  ...[adoptCommand, statusCommand, doctorCommand, migrateCommand, rollbackCommand, pruneCommand],
]

/** Words that the application's set-up does not know. */
const MISUSES: readonly StorageErrorCode[] = ['ERR_CONFIG', 'ERR_BACKEND_UNKNOWN']

/** Runs one command to its end. Never rejects. */
export async function runCli(args: readonly string[], surroundings: CliSurroundings): Promise<ExitCode> {
  try {
    return await runHere(args, surroundings)
  } catch (error) {
    return explain(error, surroundings)
  }
}

async function runHere(args: readonly string[], surroundings: CliSurroundings): Promise<ExitCode> {
  const place = new Workplace(surroundings)
  try {
    await programFor(place).parseAsync([...args], { from: 'user' })
    // Whatever was asked for may not be done to its end.
    return surroundings.signal.aborted ? EXIT.failed : place.exitCode
  } catch (error) {
    // Nothing has been done yet: a command asks for storage and database before all else.
    if (error instanceof OtherCopy) return await runOtherCopy(error, args, surroundings)
    throw error
  } finally {
    await place.close()
  }
}

function programFor(place: Workplace): Command {
  const { screen } = place
  const program = new Command('tenant-files')
    .description('Works on the files of an application that uses tenant-files.')
    .option(
      '--config <file>',
      'exports "storage" and "dataSource" (default: the nearest tenant-files.config.mjs)',
    )
    .option('-d, --data-source <file>', 'exports the DataSource that withFiles() gave; instead of --config')
    .option('--json', 'print the result as JSON')
    .exitOverride()
    .configureOutput({
      writeOut: text => screen.print(text.trimEnd()),
      writeErr: text => screen.say(text.trimEnd()),
    })
  for (const command of COMMANDS) inherit(program, command(place))
  return program
}

function inherit(parent: Command, command: Command): void {
  command.copyInheritedSettings(parent)
  if (command.parent === null) parent.addCommand(command)
  for (const child of command.commands) inherit(command, child)
}

function explain(error: unknown, { screen, signal }: CliSurroundings): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.misused
  if (error instanceof Stopped || (signal.aborted && StorageError.is(error, 'ERR_UPLOAD_ABORTED'))) {
    screen.say('Stopped before the end.')
    return EXIT.failed
  }
  screen.say(wordsFor(error))
  const isMisuse = error instanceof Misuse || (StorageError.is(error) && MISUSES.includes(error.code))
  return isMisuse ? EXIT.misused : EXIT.failed
}
