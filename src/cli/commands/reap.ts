import { Command } from 'commander'
import { onStorageEvent } from '../../core/events.js'
import type { ReapOnceOptions } from '../../typeorm/index.js'
import { EXIT, messageOf } from '../exit-code.js'
import { count, wholeNumber } from '../options.js'
import type { Screen } from '../screen.js'
import type { GlobalOptions, Workplace } from '../workplace.js'

type Options = GlobalOptions & Omit<ReapOnceOptions, 'signal'>

/** So many reasons are said; the rest stands in the ledger. */
const MAX_REASONS = 10

/** `tenant-files reap` */
export function reapCommand(place: Workplace): Command {
  return new Command('reap')
    .description('Delete what no row holds any more, until nothing is due.')
    .option('--limit <n>', 'take up so many files at most', count)
    .option('--batch-size <n>', 'take up so many at once', count)
    .option('--concurrency <n>', 'deletions at the same time', count)
    .option('--max-attempts <n>', 'after so many failures a file is dead', count)
    .option('--tombstone <seconds>', 'until an upload that nobody saved is deleted once more', wholeNumber)
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const { limit, batchSize, concurrency, maxAttempts, tombstone } = options
      const dataSource = await place.dataSource(options)
      const storage = await place.storage(options)
      const { ledgerStatus, reapOnce } = await place.rooms.typeorm()
      const endOfReasons = sayReasons(place.screen)
      const { taken, deleted, failed } = await reapOnce(storage, {
        ...{ limit, batchSize, concurrency, maxAttempts, tombstone, signal: place.signal },
      }).finally(endOfReasons)
      const { due, dead } = await ledgerStatus(dataSource)
      if (failed > 0 || dead > 0) place.exitCode = EXIT.failed
      place.report(
        options,
        { taken, deleted, failed, due, dead },
        `${deleted} deleted, ${failed} failed. ${due} are still due, ${dead} are dead.`,
      )
    })
}

/** @returns what ends it */
function sayReasons(screen: Screen): () => void {
  let said = 0
  return onStorageEvent('leftover', ({ backend, key, error }) => {
    if (said++ < MAX_REASONS) screen.say(`${backend}: ${key} cannot be deleted: ${messageOf(error)}`)
  })
}
