import { Command } from 'commander'
import type { PruneReport } from '../../migrate/index.js'
import { type ColumnOptions, chooseColumns } from '../choose-columns.js'
import { days } from '../options.js'
import { runEach } from '../run-each.js'
import { countText, failureLines } from '../text-of.js'
import type { Workplace } from '../workplace.js'

interface Options extends ColumnOptions {
  readonly to: string
  readonly keep: number
}

/** `tenant-files prune OrderFile --to spaces --keep 30d` */
export function pruneCommand(place: Workplace): Command {
  return new Command('prune')
    .description('Give up what moves have left behind. The reaper deletes it; there is no way back.')
    .argument('[entity]', 'its name')
    .option('--all', 'every entity with file columns')
    .requiredOption('--to <backend>', 'where the files were moved to')
    .requiredOption('--keep <days>', 'what was moved later than that stays, for example 30d', days)
    .option('--property <name>', 'one file column only')
    .action(async (entity: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const { to, keep } = options
      const choices = await chooseColumns(place, entity, options)
      const { pruneFiles } = await place.rooms.migrate()
      const bar = place.screen.bar('rows')
      await runEach(place, options, {
        choices,
        textOf,
        run: choice =>
          pruneFiles({
            ...{ ...choice, to, keep, signal: place.signal },
            onProgress: ({ pruned, skipped, failed }) =>
              bar.update(pruned + skipped + failed, undefined, `${skipped} skipped, ${failed} failed`),
          }).finally(() => bar.stop()),
      })
    })
}

function textOf(report: PruneReport): string {
  const { entity, pruned, skipped, failed } = report
  const head = `${entity}: the files that ${countText(pruned, 'row')} left behind go to the reaper; those of ${skipped.toLocaleString('en')} are still in use and stay, ${failed.toLocaleString('en')} failed.`
  return [head, ...failureLines(report)].join('\n')
}
