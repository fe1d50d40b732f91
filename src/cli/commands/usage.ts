import { Command } from 'commander'
import type { TenantUsage } from '../../typeorm/index.js'
import { table } from '../table.js'
import type { GlobalOptions, Workplace } from '../workplace.js'

/** `tenant-files usage acme` */
export function usageCommand(place: Workplace): Command {
  return new Command('usage')
    .description('Print what tenants store, by the ledger.')
    .argument('[tenants...]', 'default: all that the ledger knows')
    .action(async (named: string[], _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const dataSource = await place.dataSource(options)
      const { knownTenants, usage } = await place.rooms.typeorm()
      const tenants = named.length > 0 ? named : await knownTenants(dataSource)
      const all: TenantUsage[] = []
      for (const tenant of tenants) {
        place.assertGoingOn()
        all.push(await usage(dataSource, tenant))
      }
      place.report(options, all, textOf(all))
    })
}

function textOf(all: readonly TenantUsage[]): string {
  const rows = all.map(({ tenant, parts, used, quota, left }) => {
    const attached = parts.filter(({ state }) => state === 'attached')
    return [tenant, attached.reduce((sum, { files }) => sum + files, 0), used, quota, left]
  })
  return table(['tenant', 'files', 'used', 'quota', 'left'], rows)
}
