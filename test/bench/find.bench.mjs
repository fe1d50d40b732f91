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

/**
 * The rows of an application: whose, what, when. A file is never the only thing that a row says; how much the rest
 * weighs shows beside it, in rows of nothing but an id and a file.
 */
const ROW = {
  id: { type: 'int', primary: true, generated: true },
  tenant: { type: 'text' },
  title: { type: 'text' },
  status: { type: 'text' },
  amount: { type: 'int' },
  note: { type: 'text', nullable: true },
  created_at: { type: 'datetime' },
  updated_at: { type: 'datetime' },
}

/** One table, read by entities that differ in one column. */
function entity(name, file, columns = ROW) {
  return new EntitySchema({
    name,
    tableName: 'order_file',
    columns: { ...columns, file },
    synchronize: false,
  })
}

const json = { type: 'simple-json', nullable: true }
const entities = {
  json: entity('WithJson', json),
  text: entity('WithText', { type: 'text', nullable: true }),
  file: entity('WithFile', fileColumn({ folder: 'order_files' })),
  presigned: entity('WithPresigner', json),
  onlyJson: entity('OnlyJson', json, { id: ROW.id }),
  onlyFile: entity('OnlyFile', fileColumn({ folder: 'order_files' }), { id: ROW.id }),
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

await dataSource.query(
  'CREATE TABLE order_file (id INTEGER PRIMARY KEY, tenant TEXT, title TEXT, status TEXT, amount INTEGER, note TEXT, created_at TEXT, updated_at TEXT, file TEXT)',
)
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
  const time = new Date(Date.UTC(2026, 0, 1) + i * 1000).toISOString()
  await dataSource.query('INSERT INTO order_file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)', [
    ...[i + 1, 'acme', `Order ${i}`, 'open', i * 100, null, time, time],
    JSON.stringify(file),
  ])
}

const find = of => dataSource.getRepository(entities[of]).find()
const readAll = of =>
  runWithTenant('acme', async () => {
    for (const { file } of await find(of)) file.url
  })
const once = run => ({ calls: 1, run })
const rows = {
  'a simple-json column': once(() => find('json')),
  'a text column': once(() => find('text')),
  'a file column': once(() => find('file')),
  'a file column, every url read': once(() => readAll('file')),
}
const narrow = {
  'a simple-json column': once(() => find('onlyJson')),
  'a file column': once(() => find('onlyFile')),
  'a file column, every url read': once(() => readAll('onlyFile')),
}
// Beside the others for a few rounds only: it takes a hundred times as long.
const presigned = {
  'a simple-json column': once(() => find('json')),
  'simple-json, and getSignedUrl in afterLoad': once(() => find('presigned')),
}

async function ratiosOf(variants, rounds) {
  const times = await measure(variants, { rounds })
  const base = times['a simple-json column']
  return {
    base,
    ratios: Object.fromEntries(Object.entries(times).map(([name, time]) => [name, time / base])),
  }
}

try {
  const ofRows = await ratiosOf(rows, 61)
  const ofNarrow = await ratiosOf(narrow, 61)
  const ofPresigned = await ratiosOf(presigned, 5)
  const line = ([name, ratio]) => [name, `${show(ratio)}x`]
  printTable(
    [`find() of ${ROWS} rows of 9 columns, with`, 'of the time with simple-json'],
    Object.entries({ ...ofPresigned.ratios, ...ofRows.ratios }).map(line),
  )
  console.log(`\nsimple-json: ${show(ofRows.base / 1000)} ms of CPU\n`)
  printTable(['of an id and', 'of the time with simple-json'], Object.entries(ofNarrow.ratios).map(line))
  console.log(`\nsimple-json: ${show(ofNarrow.base / 1000)} ms of CPU\n`)
  const { ratios } = ofRows
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
