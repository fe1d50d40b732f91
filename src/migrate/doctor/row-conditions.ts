import { execute } from '../../typeorm/execute.js'
import { ledgerStatus } from '../../typeorm/ledger-status.js'
import { assertTable } from '../assert-table.js'
import { filesIn } from '../cell.js'
import { hasTables } from '../is-unfinished.js'
import { type Entry, idOf } from '../journal.js'
import type { JournalState } from '../journal-table.js'
import { columnsOf, type OneColumn } from '../one-column.js'
import { type Condition, type Examined, type Finding, failed, many, ok, warning } from './checks.js'

const PAGE = 200
/** So many seconds behind a reaper may be; it is due once a minute. */
const LAG = 3600

/** What must be so of rows, ledger and journal. */
export const ROW_CONDITIONS: readonly Condition[] = [
  { check: 'ledger', since: 1, examine: ledger },
  { check: 'rows', since: 1, examine: rows },
  { check: 'columns', since: 2, examine: columns },
  { check: 'tables', since: 3, examine: tables },
  { check: 'left', since: 4, examine: left },
  { check: 'journal', since: 4, examine: journal },
  { check: 'reaper', since: 5, examine: reaper },
]

async function ledger({ dataSource }: Examined): Promise<Finding> {
  const { parts } = await ledgerStatus(dataSource)
  const lines = parts.reduce((sum, { files }) => sum + files, 0)
  return ok(`The ledger is there, with ${many(lines, 'line')}.`)
}

/** Every row names a file of this storage. */
async function rows({ storage, places }: Examined): Promise<Finding> {
  const { places: all, unreadable } = await places()
  const unknown = all.filter(({ backend }) => !storage.backendNames.includes(backend))
  const cellsOf = ({ entity, property, rows }: { entity: string; property: string; rows: number }) =>
    `${many(rows, 'row')} of ${entity}.${property}`
  const wrong = [
    ...unknown.map(place => `The backend "${place.backend}" is not configured: ${cellsOf(place)}.`),
    ...unreadable.map(texts => `Text that names no file: ${cellsOf(texts)}.`),
  ]
  if (wrong.length > 0) return failed(wrong.join(' '))
  const files = all.reduce((sum, place) => sum + place.files, 0)
  return ok(`${many(files, 'file')}, and all on configured backends.`)
}

/** Rows that can be told apart, and columns that take what will be written to them; what is wrong is thrown. */
async function columns({ choices, to }: Examined): Promise<Finding> {
  for (const choice of choices) for (const of of columnsOf(choice, to)) await assertTable(of)
  return ok('Every table has a primary key, and its file columns take texts of any length.')
}

async function tables({ dataSource, phase }: Examined): Promise<Finding> {
  if (await hasTables(dataSource)) return ok('The tables of the migration are there.')
  return phase === 3
    ? warning('The tables of the migration are not there yet. The first run makes them, if its user may.')
    : failed('The tables of the migration are not there: nothing was moved with them.')
}

async function left({ places, from, to }: Examined): Promise<Finding> {
  const all = (await places()).places
  const others = all.filter(({ backend }) => (from === undefined ? backend !== to : backend === from))
  if (others.length === 0) return ok('No row points to an old place.')
  const files = others.reduce((sum, place) => sum + place.files, 0)
  const backends = [...new Set(others.map(({ backend }) => `"${backend}"`))]
  return failed(
    `${many(files, 'file')} ${files === 1 ? 'lies' : 'lie'} on ${backends.join(', ')} still. Run migrate again; status counts them.`,
  )
}

/** Nothing is under way, and what failed has been mended. */
async function journal(examined: Examined): Promise<Finding> {
  if (!(await hasTables(examined.dataSource))) return failed('The tables of the migration are not there.')
  let [moving, stuck] = [0, 0]
  for (const choice of examined.choices)
    for (const of of columnsOf(choice, examined.to)) {
      moving += await count(of, 'moving', examined, async entries => entries)
      stuck += await count(of, 'failed', examined, entries => unchanged(of, entries))
    }
  const wrong = [
    ...(moving > 0
      ? [
          `${many(moving, 'row')} ${moving === 1 ? 'is' : 'are'} under way, or ${moving === 1 ? 'was' : 'were'} when a run was killed: run migrate again.`,
        ]
      : []),
    ...(stuck > 0 ? [`${many(stuck, 'row')} could not be moved: migrate says why.`] : []),
  ]
  return wrong.length > 0 ? failed(wrong.join(' ')) : ok('Nothing is under way, and nothing has failed.')
}

async function reaper({ dataSource }: Examined): Promise<Finding> {
  const { due, oldestDue, dead } = await ledgerStatus(dataSource)
  if (dead > 0)
    return failed(
      `${many(dead, 'file')} could not be deleted. Mend that, and run "tenant-files ledger retry".`,
    )
  const lag = Math.round(oldestDue ?? 0)
  if (lag > LAG) return failed(`${many(due, 'file')} to delete, the first for ${lag} seconds. Run a reaper.`)
  return ok(
    due === 0
      ? 'Nothing waits to be deleted.'
      : `${many(due, 'file')} to delete, the first for ${lag} seconds.`,
  )
}

/** Counts the lines of the tenant in a state, as far as they matter. */
async function count(
  of: OneColumn,
  state: JournalState,
  { tenant }: Examined,
  matter: (entries: readonly Entry[]) => Promise<readonly Entry[]>,
): Promise<number> {
  let total = 0
  for (let after = ''; ; ) {
    const from = after
    const page = await of.transactions.run(runner =>
      of.journal.page(runner, state, { after: from, limit: PAGE }),
    )
    const asked = page.filter(
      ({ oldText }) =>
        tenant === undefined || filesIn(of.column, oldText).some(file => file.tenant === tenant),
    )
    total += (await matter(asked)).length
    if (page.length < PAGE) return total
    after = page.at(-1)?.rowId ?? after
  }
}

/** Those whose rows hold the text that could not be moved; the others have another file by now, or are gone. */
async function unchanged({ transactions, table }: OneColumn, entries: readonly Entry[]): Promise<Entry[]> {
  if (entries.length === 0) return []
  const ids = entries.map(({ rowId }) => idOf(rowId))
  const { rows } = await transactions.run(runner => execute(runner, table.some(ids)))
  const texts = new Map(table.readAll(rows).map(({ id, texts: [text] }) => [JSON.stringify(id), text]))
  return entries.filter(({ rowId, oldText }) => texts.get(rowId) === oldText)
}
