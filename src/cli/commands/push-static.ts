import path from 'node:path'
import { Command } from 'commander'
import { type PushStaticOptions, pushStatic } from '../../upload/index.js'
import { choice } from '../options.js'
import type { GlobalOptions, Workplace } from '../workplace.js'

interface Options extends GlobalOptions {
  readonly disk: string
  readonly prefix?: string
  readonly stale: NonNullable<PushStaticOptions['stale']>
  readonly dotFiles: NonNullable<PushStaticOptions['dotFiles']>
}

/** `tenant-files push-static public` */
export function pushStaticCommand(place: Workplace): Command {
  return new Command('push-static')
    .description('Store the files of a folder on the static disk; what is there already is left alone.')
    .argument('<folder>', 'the build output')
    .option('--disk <name>', 'a public disk without tenants', 'static')
    .option('--prefix <prefix>', 'stands in front of every name; ends with /')
    .addOption(
      choice('--stale <what>', 'files of earlier pushes that are gone from the folder', ['keep', 'delete']),
    )
    .addOption(choice('--dot-files <what>', 'files whose name starts with a dot', ['skip', 'include']))
    .action(async (folder: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const { disk, prefix, stale, dotFiles } = options
      const storage = await place.storage(options)
      const bar = place.screen.bar('files')
      try {
        const push = await pushStatic(storage, path.resolve(place.folder, folder), {
          ...{ disk, prefix, stale, dotFiles, signal: place.signal },
          onProgress: ({ done, total, key }) => bar.update(done, total, key),
        })
        const { uploaded, unchanged, removed, bytes } = push
        place.report(
          options,
          push,
          `${uploaded} uploaded (${bytes} bytes), ${unchanged} unchanged, ${removed} removed, ${push.stale} stale.`,
        )
      } finally {
        bar.stop()
      }
    })
}
