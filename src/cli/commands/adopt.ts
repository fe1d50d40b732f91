import { Command } from 'commander'
import type { ObjectLiteral } from 'typeorm'
import type { AdoptOptions, AdoptReport, ColumnChoice, RollbackAdoptionReport } from '../../migrate/index.js'
import { type ColumnOptions, chooseColumns } from '../choose-columns.js'
import { Misuse } from '../exit-code.js'
import { count, rate } from '../options.js'
import { ownerOf } from '../owner-of.js'
import { runEach } from '../run-each.js'
import { countText, failureLines, sizeText } from '../text-of.js'
import type { Workplace } from '../workplace.js'

type Words = Pick<AdoptOptions<ObjectLiteral>, 'tenant' | 'concurrency' | 'rate'>

interface Options extends ColumnOptions, Words {
  readonly dryRun?: true
  readonly rollback?: true
  readonly owner?: string
}

const ENDED = 'Ended before all was done. Run the same command again to go on.'

/** `tenant-files adopt OrderFile` */
export function adoptCommand(place: Workplace): Command {
  return new Command('adopt')
    .description('Make files of the plain paths in an old column. The bytes stay where they are.')
    .argument('[entity]', 'its name')
    .option('--all', 'every entity whose file columns have the option "legacy"')
    .option('--property <name>', 'one file column only')
    .option('--tenant <id>', 'only the files of this one')
    .option('--owner <property>', 'says whose a row is; a path that names another tenant is left alone')
    .option('--dry-run', 'say what would be adopted, and write nothing')
    .option('--rollback', 'take the adoption back: the rows get their old texts again')
    .option('--rate <size>', 'bytes a second for all files together, for example 20mb/s', rate)
    .option('--concurrency <n>', 'files under way at the same time', count)
    .action(async (entity: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const { dryRun, rollback } = options
      if (dryRun && rollback) throw new Misuse('--dry-run and --rollback do not go together.')
      const all = await chooseColumns(place, entity, options)
      const choices = options.all ? await oldOnes(place, options) : all
      await (rollback ? takeBack(place, options, choices) : adopt(place, options, choices))
    })
}

type Choices = readonly ColumnChoice<ObjectLiteral>[]

/** @throws Misuse */
async function oldOnes(place: Workplace, options: Options): Promise<Choices> {
  const { everyOldColumn } = await place.rooms.migrate()
  const choices = everyOldColumn(await place.dataSource(options))
  if (choices.length > 0) return choices
  throw new Misuse('No file column of this DataSource has the option "legacy".')
}

async function adopt(place: Workplace, options: Options, choices: Choices): Promise<void> {
  const { tenant, concurrency, rate, owner, dryRun } = options
  const { adoptFiles } = await place.rooms.migrate()
  const bar = place.screen.bar('rows')
  await runEach(place, options, {
    choices,
    textOf,
    run: choice =>
      adoptFiles({
        ...{ ...choice, tenant, concurrency, rate, dryRun, signal: place.signal },
        tenantOf: ownerOf(choice, owner),
        onProgress: ({ rows, bytes, failed }) =>
          bar.update(rows, undefined, `${sizeText(bytes)}, ${failed} failed`),
      }).finally(() => bar.stop()),
    ended: ENDED,
  })
}

async function takeBack(place: Workplace, options: Options, choices: Choices): Promise<void> {
  const { tenant } = options
  const { rollbackAdoption } = await place.rooms.migrate()
  const bar = place.screen.bar('rows')
  await runEach(place, options, {
    choices,
    textOf: backText,
    run: choice =>
      rollbackAdoption({
        ...{ ...choice, tenant, signal: place.signal },
        onProgress: ({ restored, skipped, failed }) =>
          bar.update(restored + skipped + failed, undefined, `${failed} failed`),
      }).finally(() => bar.stop()),
    ended: ENDED,
  })
}

function textOf(report: AdoptReport): string {
  const { entity, dryRun, adopted, copied, bytes, skipped, failed, stoppedBy } = report
  const shared = copied === 0 ? '' : `, ${copied.toLocaleString('en')} of these as a copy of a shared file`
  const head = dryRun
    ? `${entity}: ${countText(adopted, 'row')} would be adopted (${sizeText(bytes)}${shared}), ${failed.toLocaleString('en')} would fail.`
    : `${entity}: ${countText(adopted, 'row')} adopted (${sizeText(bytes)} read${shared}), ${countText(skipped, 'row')} had changed meanwhile, ${failed.toLocaleString('en')} failed.`
  const why =
    stoppedBy === undefined ? [] : [`  It gave up: one row after the other failed with ${stoppedBy}.`]
  return [head, ...failureLines(report), ...why].join('\n')
}

function backText(report: RollbackAdoptionReport): string {
  const { entity, restored, skipped, failed } = report
  const head = `${entity}: ${countText(restored, 'row')} have their old text again, ${skipped.toLocaleString('en')} hold another file by now, ${failed.toLocaleString('en')} failed.`
  return [head, ...failureLines(report)].join('\n')
}
