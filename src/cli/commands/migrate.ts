import { Command } from 'commander'
import type { ObjectLiteral } from 'typeorm'
import type { MigrateOptions, MigrationPlan, MigrationReport } from '../../migrate/index.js'
import { type ColumnOptions, chooseColumns } from '../choose-columns.js'
import { Misuse } from '../exit-code.js'
import { MoveBar } from '../move-bar.js'
import { choice, count, rate, tenant } from '../options.js'
import { ownerOf } from '../owner-of.js'
import { runEach } from '../run-each.js'
import { countText, failureLines, sizeText } from '../text-of.js'
import type { Workplace } from '../workplace.js'

type Words = Pick<MigrateOptions<ObjectLiteral>, 'from' | 'to' | 'tenant' | 'concurrency' | 'rate' | 'verify'>

interface Options extends ColumnOptions, Words {
  readonly dryRun?: true
  readonly resume?: true
  readonly owner?: string
}

/** What every run of one command has in common. */
type Runs = readonly Pick<
  MigrateOptions<ObjectLiteral>,
  'dataSource' | 'entity' | 'property' | 'from' | 'to' | 'tenant' | 'tenantOf'
>[]

/** `tenant-files migrate OrderFile --to spaces` */
export function migrateCommand(place: Workplace): Command {
  return new Command('migrate')
    .description('Move the files of an entity to another backend, while the application serves.')
    .argument('[entity]', 'its name')
    .option('--all', 'every entity with file columns')
    .requiredOption('--to <backend>', 'where they move to')
    .option('--property <name>', 'one file column only')
    .option('--from <backend>', 'only what lies there; default: on every other backend')
    .option('--tenant <id>', 'only the files of this one', tenant)
    .option('--owner <property>', 'says whose a row is; a file that names another tenant stays')
    .option('--dry-run', 'say what would move, and write nothing')
    .option('--rate <size>', 'bytes a second for all files together, for example 20mb/s', rate)
    .option('--concurrency <n>', 'files under way at the same time', count)
    .addOption(
      choice('--verify <how>', 'what is compared before a row is switched', ['sha256', 'size', 'read-back']),
    )
    .option('--resume', 'only go on with a run that was left off; do not begin another')
    .action(async (entity: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const { from, to, tenant, owner } = options
      const choices = await chooseColumns(place, entity, options)
      const runs = choices.map(each => ({ ...each, from, to, tenant, tenantOf: ownerOf(each, owner) }))
      if (options.resume) await assertUnfinished(place, runs)
      await (options.dryRun ? plan(place, options, runs) : move(place, options, runs))
    })
}

async function plan(place: Workplace, options: Options, runs: Runs): Promise<void> {
  const { planMigration } = await place.rooms.migrate()
  await runEach(place, options, {
    choices: runs,
    textOf: planText,
    run: one => planMigration({ ...one, signal: place.signal }),
  })
}

async function move(place: Workplace, options: Options, runs: Runs): Promise<void> {
  const { concurrency, rate, verify } = options
  const { filePlaces, migrateFiles } = await place.rooms.migrate()
  const bar = new MoveBar(place.screen)
  await bar.count(filePlaces, runs, place.signal)
  await runEach(place, options, {
    choices: runs,
    textOf: reportText,
    async run(one) {
      try {
        const report = await migrateFiles({
          ...{ ...one, concurrency, rate, verify, signal: place.signal },
          onProgress: progress => bar.show(progress),
        })
        bar.end(report)
        return report
      } finally {
        bar.stop()
      }
    },
    ended: 'Ended before all was done. What is moved stays moved: run the same command again to go on.',
  })
}

/** @throws Misuse */
async function assertUnfinished(place: Workplace, runs: Runs): Promise<void> {
  const { isUnfinished } = await place.rooms.migrate()
  for (const run of runs) if (await isUnfinished(run)) return
  throw new Misuse(
    'No run with these words was left off: it is done, or was never begun, or had another --from or --tenant. Leave --resume out to begin one.',
  )
}

function planText(plan: MigrationPlan): string {
  const { entity, to, files, rows, bytes, copied, failed } = plan
  const there = copied === 0 ? '' : `, ${countText(copied, 'file')} of these lie there already`
  const head = `${entity}: ${countText(files, 'file')} of ${countText(rows, 'row')} would move to ${to} (${sizeText(bytes)}${there}), ${failed.toLocaleString('en')} would fail.`
  return [head, ...failureLines(plan)].join('\n')
}

function reportText(report: MigrationReport): string {
  const { entity, to, moved, bytes, seconds, skipped, failed, stoppedBy } = report
  const head = `${entity}: ${countText(moved, 'file')} moved to ${to} (${sizeText(bytes)} in ${seconds.toFixed(1)} s), ${countText(skipped, 'row')} had changed meanwhile, ${failed.toLocaleString('en')} failed.`
  const why =
    stoppedBy === undefined ? [] : [`  It gave up: one row after the other failed with ${stoppedBy}.`]
  return [head, ...failureLines(report), ...why].join('\n')
}
