// The reaper on real servers: how long it takes to delete 10,000 objects from Ceph, with their lines in PostgreSQL.
//
//   npm run bench -- reaper
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { DataSource } from 'typeorm'
import { runnerImport } from 'vite'
import { createStorage } from '../../dist/core/index.js'
import { S3Driver } from '../../dist/drivers/s3/index.js'
import { reapOnce, withFiles } from '../../dist/typeorm/index.js'
import { judge, printTable, show } from './measure.mjs'

const OBJECTS = 10_000
/** For the way without DeleteObjects, which a minute is not needed to compare. */
const FEW = 2_000
const AT_ONCE = 32

const { module } = await runnerImport(fileURLToPath(new URL('./reaper/servers.ts', import.meta.url)))
const servers = await module.benchServers()
try {
  const together = await run('files', driver => driver, OBJECTS)
  const oneByOne = await run('files-too', withoutDeleteMany, FEW)
  const row = (name, { count, seconds, cpu }) =>
    [name, count, seconds, count / seconds, (cpu / count) * 1e6].map(cell =>
      typeof cell === 'number' ? show(cell) : cell,
    )
  printTable(
    ['the backend', 'objects', 'seconds', 'objects a second', 'µs of CPU an object'],
    [row('takes 1,000 keys a request', together), row('takes one, 8 requests at a time', oneByOne)],
  )
  judge([
    { what: `${show(OBJECTS)} deletions`, value: together.seconds, atMost: 60, unit: ' s' },
    { what: 'objects left', value: together.left + oneByOne.left, atMost: 0 },
    { what: 'lines left', value: together.lines + oneByOne.lines, atMost: 0 },
  ])
} finally {
  await servers.end()
}

/** Fills a bucket and a ledger, and lets the reaper empty both. */
async function run(bucket, change, count) {
  const { endpoint, region, accessKeyId, secretAccessKey } = servers.s3
  const credentials = { accessKeyId, secretAccessKey }
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  const driver = new S3Driver({ bucket, endpoint, region, credentials })
  const storage = createStorage({ secret: randomUUID(), backends: { s3: change(driver) } })
  const options = { type: 'postgres', url: servers.url, entities: [], synchronize: true, dropSchema: true }
  const dataSource = withFiles(storage, new DataSource(options))
  await dataSource.initialize()
  try {
    await fill(driver, dataSource, count)
    const before = process.cpuUsage()
    const startedAt = performance.now()
    await reapOnce(storage)
    const seconds = (performance.now() - startedAt) / 1000
    const { user, system } = process.cpuUsage(before)
    const { KeyCount: left } = await client.send(new ListObjectsV2Command({ Bucket: bucket }))
    const [{ lines }] = await dataSource.query('SELECT count(*)::int AS lines FROM file_ledger')
    return { count, seconds, cpu: (user + system) / 1e6, left, lines }
  } finally {
    await dataSource.destroy()
    await storage.close()
    client.destroy()
  }
}

async function fill(driver, dataSource, count) {
  await driver.ready()
  const keys = Array.from({ length: count }, () => `media/acme/order_files/${randomUUID()}.txt`)
  const waiting = keys.values()
  const lane = async () => {
    for (const key of waiting) await driver.put(key, Buffer.from('hello'), { contentType: 'text/plain' })
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  await dataSource.query(
    `INSERT INTO file_ledger (backend, object_key, disk, tenant, state, size, attempts, created_at, updated_at)
     SELECT 's3', key, 'media', 'acme', 'delete', 5, 0, 0, 0 FROM unnest($1::text[]) AS key`,
    [keys],
  )
}

/** The same driver, as one whose storage deletes one object a request. */
function withoutDeleteMany(driver) {
  return new Proxy(driver, {
    get: (target, name) => {
      if (name === 'deleteMany') return undefined
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
