// One run of reconcile of the built library, in a process of its own: node run.mjs <url of the database> [fill]
//
// One line of JSON: { seconds, cpu, warm, peak, counts, compared }. In MiB of resident memory: warm is what the process
// holds when everything is loaded and connected, peak the most that it ever held (VmHWM).
import { readFileSync } from 'node:fs'
import { DataSource, EntitySchema } from 'typeorm'
import { createStorage } from '../../../dist/core/index.js'
import { fileColumn, reconcile, withFiles } from '../../../dist/typeorm/index.js'
import { FILL, listOnly } from './files.mjs'

const [url, fill] = process.argv.slice(2)
const OrderFile = new EntitySchema({
  name: 'OrderFile',
  tableName: 'order_file',
  columns: {
    id: { type: 'int', primary: true, generated: true },
    file: fileColumn({ folder: 'order_files' }),
  },
})
const storage = createStorage({ secret: 'a secret for benchmarks', backends: { bench: listOnly } })
const dataSource = withFiles(
  storage,
  new DataSource({ type: 'postgres', url, entities: [OrderFile], synchronize: fill === 'fill' }),
)
await dataSource.initialize()
try {
  if (fill === 'fill') for (const statement of FILL) await dataSource.query(statement)
  else await measure()
} finally {
  await dataSource.destroy()
}

async function measure() {
  const warm = memory('VmRSS')
  const before = process.cpuUsage()
  const { startedAt, endedAt, counts, compared } = await reconcile({ dataSource })
  const { user, system } = process.cpuUsage(before)
  const peak = memory('VmHWM')
  const cpu = (user + system) / 1e6
  console.log(JSON.stringify({ seconds: (endedAt - startedAt) / 1000, cpu, warm, peak, counts, compared }))
}

function memory(field) {
  const [, kib] = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))
  return Math.round(Number(kib) / 1024)
}
