import { Command } from 'commander'
import type { Workplace } from '../workplace.js'
import { ledgerRetryCommand } from './ledger-retry.js'
import { ledgerStatusCommand } from './ledger-status.js'

/** `tenant-files ledger …` */
export function ledgerCommand(place: Workplace): Command {
  return new Command('ledger')
    .description('Look at the ledger of files, and try again what failed for good.')
    .addCommand(ledgerStatusCommand(place))
    .addCommand(ledgerRetryCommand(place))
}
