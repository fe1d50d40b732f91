import { Command, Option } from 'commander'
import { StorageError } from '../../core/errors.js'
import type { Phase, PhaseReport } from '../../migrate/index.js'
import { EXIT, messageOf, withoutPasswords } from '../exit-code.js'
import { tenant } from '../options.js'
import { table } from '../table.js'
import type { GlobalOptions, Workplace } from '../workplace.js'

const PHASES = ['1', '2', '3', '4', '5'] as const

interface Options extends GlobalOptions {
  readonly phase: (typeof PHASES)[number]
  readonly to: string
  readonly from?: string
  readonly tenant?: string
}

/** `tenant-files doctor --phase 3 --to spaces` */
export function doctorCommand(place: Workplace): Command {
  return new Command('doctor')
    .description('Check whether a phase of a move may begin.')
    .argument('[entity]', 'default: every one with file columns')
    .addOption(
      new Option('--phase <n>', '1 write to the new backend, 2 plan, 3 move, 4 wait, 5 give the old bytes up')
        .choices(PHASES)
        .makeOptionMandatory(),
    )
    .requiredOption('--to <backend>', 'where files move to')
    .option('--from <backend>', 'where they come from; default: every other backend')
    .option('--tenant <id>', 'only the files of this one', tenant)
    .action(async (entity: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const report = await examine(place, entity, options)
      if (!report.isSafe) place.exitCode = EXIT.failed
      place.report(options, report, textOf(report))
    })
}

async function examine(place: Workplace, entity: string | undefined, options: Options): Promise<PhaseReport> {
  const { to, from } = options
  const phase = Number(options.phase) as Phase
  try {
    const dataSource = await place.dataSource(options)
    const { checkPhase } = await place.rooms.migrate()
    const report = await checkPhase({
      ...{ dataSource, phase, to, from, entity, tenant: options.tenant, signal: place.signal },
    })
    const checks = report.checks.map(each => ({ ...each, detail: withoutPasswords(each.detail) }))
    return { ...report, checks }
  } catch (error) {
    // The application itself would not start: with the bucket of another environment, for example.
    if (!StorageError.is(error) || error.status < 500 || error.code === 'ERR_CONFIG') throw error
    if (error.code === 'ERR_BACKEND_UNKNOWN') throw error
    const detail = `${error.code}: ${messageOf(error)}`
    return { phase, to, isSafe: false, checks: [{ check: 'start', state: 'failed', detail }] }
  }
}

function textOf({ phase, isSafe, checks }: PhaseReport): string {
  const rows = checks.map(({ check, state, detail }) => [state, check, detail])
  const failed = checks.filter(({ state }) => state === 'failed').length
  const end = isSafe
    ? `Phase ${phase} may begin.`
    : `Phase ${phase} should not begin: ${failed} of ${checks.length} checks failed.`
  return `${table(['state', 'check', 'detail'], rows)}\n\n${end}`
}
