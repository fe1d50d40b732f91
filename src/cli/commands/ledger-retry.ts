import { Command } from 'commander'
import type { GlobalOptions, Workplace } from '../workplace.js'

/** `tenant-files ledger retry` */
export function ledgerRetryCommand(place: Workplace): Command {
  return new Command('retry')
    .description('Let the reaper try dead files again.')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      await place.dataSource(options)
      const { retryDead } = await place.rooms.typeorm()
      const retried = await retryDead(await place.storage(options))
      place.report(options, { retried }, `The next reaper tries ${retried} again.`)
    })
}
