// What a file column costs when rows are read, against the same rows with other columns (docs/reference/benchmarks.md).
//
//   npm run bench -- find
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import libsql from 'libsql'
import { DataSource, EntitySchema } from 'typeorm'
import { createStorage, runWithTenant } from '../../dist/core/index.js'
import { S3Driver } from '../../dist/drivers/s3/index.js'
import { fileColumn, withFiles } from '../../dist/typeorm/index.js'
import { judge, measure, printTable, show } from './measure.mjs'

const ROWS = 1000
const credentials = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret/with+odd=characters' }
const client = new S3Client({ region: 'eu-central-1', credentials })

/** One table, read by entities that differ in one column. */
function entity(name, file) {
  const columns = { id: { type: 'int', primary: true, generated: true }, title: { type: 'text' }, file }
  return new EntitySchema({ name, tableName: 'order_file', columns, synchronize: false })
}

const entities = {
  json: entity('WithJson', { type: 'simple-json', nullable: true }),
  text: entity('WithText', { type: 'text', nullable: true }),
  file: entity('WithFile', fileColumn({ folder: 'order_files' })),
  presigned: entity('WithPresigner', { type: 'simple-json', nullable: true }),
}

/** The way that people take today: every row gets its URL when it is loaded. */
const presigner = {
  listenTo: () => 'WithPresigner',
  afterLoad: async row => {
    const command = new GetObjectCommand({ Bucket: 'acme-files', Key: `media/acme/${row.file.key}` })
    row.url = await getSignedUrl(client, command, { expiresIn: 3600 })
  },
}

const storage = createStorage({
  secret: 'a secret for benchmarks',
  backends: { s3: new S3Driver({ bucket: 'acme-files', client }) },
})
const folder = mkdtempSync(path.join(tmpdir(), 'tenant-files-bench-'))
const dataSource = withFiles(
  storage,
  new DataSource({
    type: 'better-sqlite3',
    driver: libsql,
    database: path.join(folder, 'bench.sqlite'),
    entities: Object.values(entities),
  }),
)
await dataSource.initialize()
dataSource.subscribers.push(presigner)

await dataSource.query('CREATE TABLE order_file (id INTEGER PRIMARY KEY, title TEXT, file TEXT)')
for (let i = 0; i < ROWS; i++) {
  const name = i % 10 === 0 ? `Report (final) é ${i}.pdf` : `report-${i}.pdf`
  const file = {
    v: 1,
    disk: 'media',
    backend: 's3',
    tenant: 'acme',
    key: `order_files/${randomUUID()}.pdf`,
    name,
    size: 1000 + i,
    type: 'application/pdf',
    sha256: `${i}`.padStart(64, 'a'),
  }
  await dataSource.query('INSERT INTO order_file (title, file) VALUES (?, ?)', [
    `Order ${i}`,
    JSON.stringify(file),
  ])
}

const find = of => dataSource.getRepository(entities[of]).find()
const variants = {
  'a text column': { calls: 1, run: () => find('text') },
  'a simple-json column': { calls: 1, run: () => find('json') },
  'a file column': { calls: 1, run: () => find('file') },
  'a file column, every url read': {
    calls: 1,
    run: () =>
      runWithTenant('acme', async () => {
        for (const { file } of await find('file')) file.url
      }),
  },
  'simple-json, and getSignedUrl in afterLoad': { calls: 1, run: () => find('presigned') },
}

try {
  const { 'simple-json, and getSignedUrl in afterLoad': slow, ...fast } = variants
  const times = await measure(fast, { rounds: 41 })
  // Beside the others for a few rounds only: it takes a hundred times as long.
  const { beside, presigned } = await measure(
    { beside: variants['a simple-json column'], presigned: slow },
    { rounds: 5 },
  )
  const base = times['a simple-json column']
  const ratios = Object.fromEntries(Object.entries(times).map(([name, time]) => [name, time / base]))
  ratios['simple-json, and getSignedUrl in afterLoad'] = presigned / beside
  printTable(
    [`find() of ${ROWS} rows with`, 'of the time with simple-json'],
    Object.entries(ratios).map(([name, ratio]) => [name, `${show(ratio)}x`]),
  )
  console.log(`\nsimple-json: ${show(base / 1000)} ms of CPU`)
  judge([
    { what: 'a file column whose URLs nobody reads', value: ratios['a file column'], atMost: 1.1, unit: 'x' },
    {
      what: 'a file column, every URL read',
      value: ratios['a file column, every url read'],
      atMost: 2.5,
      unit: 'x',
    },
  ])
} finally {
  await dataSource.destroy()
  await storage.close()
  rmSync(folder, { recursive: true, force: true })
}
