import { Command } from 'commander'
import type { RollbackReport } from '../../migrate/index.js'
import { type ColumnOptions, chooseColumns } from '../choose-columns.js'
import { tenant } from '../options.js'
import { runEach } from '../run-each.js'
import { countText, failureLines } from '../text-of.js'
import type { Workplace } from '../workplace.js'

interface Options extends ColumnOptions {
  readonly to: string
  readonly tenant?: string
}

/** `tenant-files rollback OrderFile --to spaces` */
export function rollbackCommand(place: Workplace): Command {
  return new Command('rollback')
    .description('Take a move back: the rows point to their old bytes again. Nothing is copied.')
    .argument('[entity]', 'its name')
    .option('--all', 'every entity with file columns')
    .requiredOption('--to <backend>', 'where the files were moved to')
    .option('--property <name>', 'one file column only')
    .option('--tenant <id>', 'only the files of this one', tenant)
    .action(async (entity: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const { to } = options
      const choices = await chooseColumns(place, entity, options)
      const { rollbackFiles } = await place.rooms.migrate()
      const bar = place.screen.bar('rows')
      await runEach(place, options, {
        choices,
        textOf,
        run: choice =>
          rollbackFiles({
            ...{ ...choice, to, tenant: options.tenant, signal: place.signal },
            onProgress: ({ restored, skipped, failed }) =>
              bar.update(restored + skipped + failed, undefined, `${failed} failed`),
          }).finally(() => bar.stop()),
      })
    })
}

function textOf(report: RollbackReport): string {
  const { entity, restored, skipped, failed } = report
  const head = `${entity}: ${countText(restored, 'row')} point to the old bytes again, ${skipped.toLocaleString('en')} have other files by now, ${failed.toLocaleString('en')} failed.`
  return [head, ...failureLines(report)].join('\n')
}
