import { Command } from 'commander'
import { runAsSystem, runWithTenant } from '../../core/tenant.js'
import { count } from '../options.js'
import type { GlobalOptions, Workplace } from '../workplace.js'

interface UrlOptions extends GlobalOptions {
  readonly disk: string
  readonly tenant?: string
  readonly expiresIn?: number
}

/** `tenant-files url order_files/….pdf --tenant acme` */
export function urlCommand(place: Workplace): Command {
  return new Command('url')
    .description('Print the address of a file: signed, or the permanent one of a public file.')
    .argument('<key>', 'below disk and tenant, for example order_files/0b54….pdf')
    .option('--disk <name>', 'the disk that holds it', 'media')
    .option('--tenant <id>', 'whose file it is; without it the disk must be shared or without tenants')
    .option('--expires-in <seconds>', 'how long the address lives', count)
    .action(async (key: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<UrlOptions>()
      const disk = (await place.storage(options)).disk(options.disk)
      const isPublic = disk.options.visibility === 'public' && options.expiresIn === undefined
      const make = () => (isPublic ? disk.url(key) : disk.signedUrl(key, { expiresIn: options.expiresIn }))
      const { tenant } = options
      const url = tenant === undefined ? runAsSystem('tenant-files url', make) : runWithTenant(tenant, make)
      place.report(options, { url }, url)
    })
}
