import { Command } from 'commander'
import type { FilePlaces } from '../../migrate/index.js'
import { tenant } from '../options.js'
import { table } from '../table.js'
import { countText, sizeText } from '../text-of.js'
import type { GlobalOptions, Workplace } from '../workplace.js'

interface Options extends GlobalOptions {
  readonly property?: string
  readonly tenant?: string
}

/** `tenant-files status OrderFile` */
export function statusCommand(place: Workplace): Command {
  return new Command('status')
    .description('Count where files lie, by what the rows say.')
    .argument('[entity]', 'default: every one with file columns')
    .option('--property <name>', 'one file column of the entity only')
    .option('--tenant <id>', 'only the files of this one', tenant)
    .action(async (entity: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const { property } = options
      const dataSource = await place.dataSource(options)
      const { filePlaces } = await place.rooms.migrate()
      const found = await filePlaces({
        ...{ dataSource, entity, property, tenant: options.tenant, signal: place.signal },
      })
      place.report(options, found, textOf(found))
    })
}

function textOf({ places, unreadable }: FilePlaces): string {
  if (places.length === 0 && unreadable.length === 0) return 'No row has a file.'
  const rows = places.map(each => {
    const { entity, property, tenant, backend, rows, files, bytes, plain } = each
    return [entity, property, tenant, backend, rows, files, bytes, plain]
  })
  const head = ['entity', 'property', 'tenant', 'backend', 'rows', 'files', 'bytes', 'plain']
  return [
    table(head, rows),
    '',
    ...totals(places),
    ...unreadable.map(
      ({ entity, property, rows: count }) =>
        `${entity}.${property}: the text of ${countText(count, 'row')} names no file of this storage.`,
    ),
  ].join('\n')
}

function totals(places: FilePlaces['places']): string[] {
  const backends = [...new Set(places.map(({ backend }) => backend))].sort()
  return backends.map(name => {
    const here = places.filter(({ backend }) => backend === name)
    const sum = (of: 'files' | 'bytes') => here.reduce((all, place) => all + place[of], 0)
    return `${name}: ${countText(sum('files'), 'file')}, ${sizeText(sum('bytes'))}.`
  })
}
