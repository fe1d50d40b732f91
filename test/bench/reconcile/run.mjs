// One run over the files of files.mjs, of the built library, in a process of its own:
//
//   node run.mjs <url of the database> fill|reconcile|plan|migrate
//
// One line of JSON: { seconds, cpu, warm, peak } and what was found. In MiB of resident memory: warm is what the process
// holds when everything is loaded and connected, peak the most that it ever held (VmHWM).
import { readFileSync } from 'node:fs'
import { DataSource, EntitySchema } from 'typeorm'
import { createStorage } from '../../../dist/core/index.js'
import { migrateFiles, planMigration } from '../../../dist/migrate/index.js'
import { fileColumn, reconcile, withFiles } from '../../../dist/typeorm/index.js'
import { empty, FILL, listOnly } from './files.mjs'

const [url, what] = process.argv.slice(2)
const OrderFile = new EntitySchema({
  name: 'OrderFile',
  tableName: 'order_file',
  columns: {
    id: { type: 'int', primary: true, generated: true },
    file: fileColumn({ folder: 'order_files' }),
  },
})
const storage = createStorage({
  secret: 'a secret for benchmarks',
  writeTo: 'bench',
  backends: { bench: listOnly, empty },
})
const tables = what === 'fill' ? { synchronize: true, dropSchema: true } : {}
const dataSource = withFiles(
  storage,
  new DataSource({ type: 'postgres', url, entities: [OrderFile], ...tables }),
)
const move = { dataSource, entity: OrderFile, from: 'bench', to: 'empty' }
const works = {
  reconcile: async () => {
    const { counts, compared } = await reconcile({ dataSource })
    return { counts, compared }
  },
  plan: () => planMigration(move),
  // The rows of the benchmark have made-up checksums.
  migrate: () => migrateFiles({ ...move, verify: 'size' }),
}

await dataSource.initialize()
try {
  if (what === 'fill') for (const statement of FILL) await dataSource.query(statement)
  else await measure(works[what])
} finally {
  await dataSource.destroy()
}

async function measure(work) {
  const warm = memory('VmRSS')
  const before = process.cpuUsage()
  const startedAt = performance.now()
  const { failures, ...found } = await work()
  const seconds = (performance.now() - startedAt) / 1000
  const { user, system } = process.cpuUsage(before)
  const cpu = (user + system) / 1e6
  console.log(JSON.stringify({ ...found, seconds, cpu, warm, peak: memory('VmHWM') }))
}

function memory(field) {
  const [, kib] = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))
  return Math.round(Number(kib) / 1024)
}
