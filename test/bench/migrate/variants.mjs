// Ways to move files from the local disk to S3. Each is loaded in a process of its own, and gives what is measured:
// `run`, and `close` for afterwards.
import { createReadStream, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'

const BUCKET = 'files'
const MIB = 1024 * 1024

/** The SDK's client with its defaults, and as many connections as files are under way. */
async function s3Client({ endpoint, concurrency }) {
  const { S3Client } = await import('@aws-sdk/client-s3')
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'KEY', secretAccessKey: 'secret' },
    forcePathStyle: true,
    requestHandler: { httpAgent: { keepAlive: true, maxSockets: concurrency } },
  })
}

const filesOf = ({ list }) => JSON.parse(readFileSync(list, 'utf8'))

async function storageOf(context) {
  const { createStorage } = await import('../../../dist/core/index.js')
  const { LocalDriver } = await import('../../../dist/drivers/local/index.js')
  const { S3Driver } = await import('../../../dist/drivers/s3/index.js')
  const storage = createStorage({
    secret: 'a secret that is long enough',
    writeTo: 'local',
    backends: {
      local: new LocalDriver({ root: context.root }),
      // The same client as everybody's: beside a foreign endpoint the driver's own would send no checksums.
      s3: new S3Driver({ bucket: BUCKET, client: await s3Client(context) }),
    },
  })
  await storage.ready()
  return storage
}

/** What the engine does with each file between taking its row and switching it. */
async function copyPhase(context) {
  const { concurrency, verify } = context
  const { runAsSystem } = await import('../../../dist/core/index.js')
  const { moveBytes } = await import('../../../dist/migrate/move-bytes.js')
  const { RateLimit } = await import('../../../dist/migrate/rate-limit.js')
  const { Trace } = await import('../../../dist/migrate/trace.js')
  const storage = await storageOf(context)
  const rate = new RateLimit(Number.POSITIVE_INFINITY)
  const files = filesOf(context)
  const move = file =>
    moveBytes(file, { ...file, backend: 's3' }, { storage, rate, verify, trace: new Trace('new') })
  return {
    run: () => runAsSystem('benchmark', () => atOnce(concurrency, files, move)),
    close: () => storage.close(),
  }
}

/** The whole engine, on PostgreSQL: rows that are taken, written down, copied, compared and switched. */
async function wholeRun(context) {
  const { concurrency, verify, database } = context
  const { DataSource, EntitySchema } = await import('typeorm')
  const { fileColumn, withFiles } = await import('../../../dist/typeorm/index.js')
  const { migrateFiles } = await import('../../../dist/migrate/index.js')
  const OrderFile = new EntitySchema({
    name: 'OrderFile',
    tableName: 'order_file',
    columns: {
      id: { type: 'int', primary: true, generated: true },
      file: fileColumn({ folder: 'order_files' }),
    },
  })
  const storage = await storageOf(context)
  const dataSource = withFiles(
    storage,
    new DataSource({
      type: 'postgres',
      url: database,
      entities: [OrderFile],
      synchronize: true,
      dropSchema: true,
    }),
  )
  await dataSource.initialize()
  const files = filesOf(context)
  await fill(dataSource, files)
  return {
    run: async () => {
      const { moved, failures } = await migrateFiles({
        ...{ dataSource, entity: OrderFile, from: 'local', to: 's3', concurrency, verify },
      })
      if (moved !== files.length) throw new Error(`${moved} were moved: ${JSON.stringify(failures[0])}`)
    },
    close: async () => {
      await dataSource.destroy()
      await storage.close()
    },
  }
}

async function fill(dataSource, files) {
  const texts = files.map(file => JSON.stringify({ v: 1, ...file }))
  await dataSource.query('INSERT INTO order_file (file) SELECT unnest($1::text[])', [texts])
  await dataSource.query(
    `INSERT INTO file_ledger (backend, object_key, disk, tenant, state, size, attempts, created_at, updated_at)
     SELECT 'local', 'media/' || (f->>'tenant') || '/' || (f->>'key'), 'media', f->>'tenant', 'attached', (f->>'size')::bigint, 0, 0, 0
     FROM (SELECT file::json AS f FROM order_file) AS rows`,
  )
  await dataSource.query('ANALYZE')
}

/** What people write: for each row one look whether the name is free, and one upload, one after the other. */
async function seedLoop(context) {
  const { HeadObjectCommand } = await import('@aws-sdk/client-s3')
  const client = await s3Client(context)
  const put = await sdkPut(client, context)
  const files = filesOf(context).slice(0, context.count)
  return {
    run: async () => {
      for (const file of files) {
        const head = new HeadObjectCommand({ Bucket: BUCKET, Key: keyOf(file) })
        await client.send(head).catch(error => {
          if (error.name !== 'NotFound') throw error
        })
        await put(file)
      }
    },
    close: () => client.destroy(),
  }
}

async function manyPuts(context) {
  const client = await s3Client(context)
  const put = await sdkPut(client, context)
  const files = filesOf(context)
  return {
    run: () => atOnce(context.concurrency, files, put),
    close: () => client.destroy(),
  }
}

/** PutObject with the SDK's defaults: a small file is read whole, a large one is a stream; a CRC32 goes with both. */
async function sdkPut(client, { root, size }) {
  const { PutObjectCommand } = await import('@aws-sdk/client-s3')
  const bodyOf = size > MIB ? async place => createReadStream(place) : readFile
  return async file => {
    const body = await bodyOf(path.join(root, keyOf(file)))
    const command = { Bucket: BUCKET, Key: keyOf(file), Body: body, ContentLength: size }
    await client.send(new PutObjectCommand({ ...command, ContentType: file.type }))
  }
}

function keyOf({ tenant, key }) {
  return `media/${tenant}/${key}`
}

/** As p-map does it. */
async function atOnce(lanes, items, work) {
  const waiting = items.values()
  const lane = async () => {
    for (const item of waiting) await work(item)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

/** By name. */
export const variants = { copying: copyPhase, 'whole run': wholeRun, loop: seedLoop, pool: manyPuts }
