import { Command } from 'commander'
import type { LedgerStatus } from '../../typeorm/index.js'
import { table } from '../table.js'
import type { GlobalOptions, Workplace } from '../workplace.js'

/** `tenant-files ledger status` */
export function ledgerStatusCommand(place: Workplace): Command {
  return new Command('status')
    .description('Count the files of the ledger by backend and state, and what waits for the reaper.')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const dataSource = await place.dataSource(options)
      const { ledgerStatus } = await place.rooms.typeorm()
      const status = await ledgerStatus(dataSource)
      place.report(options, status, textOf(status))
    })
}

function textOf({ parts, due, oldestDue, dead }: LedgerStatus): string {
  const rows = parts.map(({ backend, state, files, bytes }) => [backend, state, files, bytes])
  const since = oldestDue === null ? '' : `, the first since ${Math.round(oldestDue)} seconds`
  return `${table(['backend', 'state', 'files', 'bytes'], rows)}\n\n${due} are due${since}. ${dead} are dead.`
}
