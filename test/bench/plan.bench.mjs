// The memory of a migration: the plan for a million rows, which is made from the rows and the listings of both backends,
// and the move of 10,000 and of 100,000 rows between backends that keep nothing.
//
//   npm run bench -- plan
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { judge, printTable, show } from './measure.mjs'
import { startDatabase } from './support.mjs'

const program = fileURLToPath(new URL('./reconcile/run.mjs', import.meta.url))
// Left alone, V8 lets garbage pile up before it looks at it.
const FLAGS = ['--max-semi-space-size=2', '--max-old-space-size=40']
const [PLANNED, FEW, MANY] = [1_000_000, 10_000, 100_000]

const database = await startDatabase()
const run = (what, rows, flags = []) =>
  execFileSync(process.execPath, [...flags, program, database.url, what], {
    timeout: 900_000,
    encoding: 'utf8',
    env: { ...process.env, BENCH_FILES: String(rows) },
  })

try {
  run('fill', PLANNED)
  const plan = JSON.parse(run('plan', PLANNED, FLAGS))
  const freely = JSON.parse(run('plan', PLANNED))
  const [few, many] = [FEW, MANY].map(rows => {
    run('fill', rows)
    return JSON.parse(run('migrate', rows, FLAGS))
  })
  const row = (name, { seconds, cpu, warm, peak }) => [name, ...[seconds, cpu, warm, peak].map(show)]
  printTable(
    ['', 'seconds', 'of CPU', 'MiB when warm', 'MiB at most'],
    [
      row(`plan of ${show(PLANNED)} rows`, plan),
      row(`the same with Node's own limits`, freely),
      row(`move of ${show(FEW)} rows`, few),
      row(`move of ${show(MANY)} rows`, many),
    ],
  )
  judge([
    { what: 'time of the plan', value: plan.seconds, atMost: 120, unit: ' s' },
    { what: 'memory of the plan', value: plan.peak, atMost: 120, unit: ' MiB' },
    { what: 'missing files found', value: plan.failed, atLeast: PLANNED / 100_000 },
    { what: 'files that would move', value: plan.files, atLeast: PLANNED - 3 * (PLANNED / 100_000) },
    { what: 'rows moved', value: many.moved, atLeast: MANY - 3 },
    { what: 'memory that ten times the rows take', value: many.peak - few.peak, atMost: 10, unit: ' MiB' },
  ])
} finally {
  await database.end()
}
