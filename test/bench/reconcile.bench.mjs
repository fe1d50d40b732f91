// reconcile over a million rows, lines and keys: the time, and the most memory that its process ever holds.
//
//   npm run bench -- reconcile
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { judge, printTable, show } from './measure.mjs'
import { FAULTS, FILES } from './reconcile/files.mjs'
import { startDatabase } from './support.mjs'

const at = file => fileURLToPath(new URL(`./reconcile/${file}`, import.meta.url))
const database = await startDatabase()
// Left alone, V8 lets garbage pile up to some 60 MiB before it looks at it.
const FLAGS = ['--max-semi-space-size=2', '--max-old-space-size=32']
const run = (...args) =>
  execFileSync(process.execPath, [...FLAGS, at('run.mjs'), database.url, ...args], {
    timeout: 600_000,
    encoding: 'utf8',
  })

try {
  run('fill')
  const { seconds, cpu, warm, peak, counts, compared } = JSON.parse(run('reconcile'))
  const found = Object.values(counts).reduce((sum, count) => sum + count, 0)
  printTable(
    ['rows', 'lines', 'objects', 'seconds', 'of CPU', 'MiB when warm', 'MiB at most'],
    [[compared.files, compared.lines, compared.objects, seconds, cpu, warm, peak].map(show)],
  )
  console.log(`\nfound: ${JSON.stringify(counts)}`)
  const planted = Object.keys(FAULTS)
  const each = Math.ceil(FILES / 100_000)
  judge([
    { what: 'time', value: seconds, atMost: 120, unit: ' s' },
    { what: 'memory of the process', value: peak, atMost: 100, unit: ' MiB' },
    ...planted.map(kind => ({ what: `${kind} found`, value: counts[kind], atLeast: each })),
    { what: 'findings in all', value: found, atMost: each * planted.length },
  ])
} finally {
  await database.end()
}
