import { Command } from 'commander'
import type { ReconcileOptions, ReconcileReport } from '../../typeorm/index.js'
import { EXIT } from '../exit-code.js'
import { choice, pairs, several, wholeNumber } from '../options.js'
import type { GlobalOptions, Workplace } from '../workplace.js'

/** The words of the command line are those of the function, but for those that may be repeated. */
interface Options
  extends Omit<GlobalOptions, 'dataSource'>,
    Pick<ReconcileOptions, 'tenant' | 'prefix' | 'check' | 'fix' | 'grace' | 'maxFindings'> {
  readonly dataSource?: string
  readonly backend?: readonly string[]
  readonly entity?: readonly string[]
  readonly owner?: Readonly<Record<string, string>>
}

/** `tenant-files reconcile --fix attach` */
export function reconcileCommand(place: Workplace): Command {
  return new Command('reconcile')
    .description('Compare rows, ledger and backends, and say what does not fit.')
    .option('--tenant <id>', 'one tenant only')
    .option('--prefix <prefix>', 'only what lies below, for example media/acme/order_files/')
    .option('--backend <name>', 'only this one; may be repeated', several)
    .option('--entity <name>', 'read only the rows of this one; may be repeated', several)
    .option('--owner <entity=property>', 'the property that says whose a row is; may be repeated', pairs)
    .addOption(choice('--check <what>', 'bytes: read every object too', ['sizes', 'bytes']))
    .addOption(choice('--fix <what>', 'what to mend', ['report', 'attach', 'all']))
    .option('--grace <seconds>', 'nobody misses what is younger', wholeNumber)
    .option('--max-findings <n>', 'so many are shown; all are counted', wholeNumber)
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const { tenant, prefix, check, fix, grace, maxFindings } = options
      const dataSource = await place.dataSource(options)
      const { formatReport, reconcile } = await place.rooms.typeorm()
      const bar = place.screen.bar('keys')
      try {
        const report = await reconcile({
          ...{ dataSource, tenant, prefix, check, fix, grace, maxFindings, signal: place.signal },
          ...{ backends: options.backend, entities: options.entity, owners: options.owner },
          onProgress: ({ phase, done, total, findings }) =>
            bar.update(done, total, `${phase}, ${findings} findings`),
        })
        bar.stop()
        if (isLeft(report)) place.exitCode = EXIT.failed
        place.report(options, report, formatReport(report))
      } finally {
        bar.stop()
      }
    })
}

/** Whether anything is wrong that was not mended. */
function isLeft({ counts, mended }: ReconcileReport): boolean {
  return Object.values(counts).reduce((sum, count) => sum + count, 0) > mended
}
