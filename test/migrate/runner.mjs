// A process that moves deliveries, takes the move back or prunes what it left, so that a test can kill it. What it is to do
// comes as JSON.
import { DataSource, EntitySchema } from 'typeorm'
import { createStorage } from '../../dist/core/index.js'
import { LocalDriver } from '../../dist/drivers/local/index.js'
import { S3Driver } from '../../dist/drivers/s3/index.js'
import { migrateFiles, pruneFiles, rollbackFiles } from '../../dist/migrate/index.js'
import { fileColumn, withFiles } from '../../dist/typeorm/index.js'

const { address, task, ...options } = JSON.parse(process.argv[2] ?? '{}')
const { bucket, endpoint, region, ...credentials } = address.s3
const storage = createStorage({
  secret: 'of a process of its own',
  backends: {
    local: new LocalDriver({ root: address.root }),
    s3: new S3Driver({ bucket, endpoint, region, credentials }),
  },
  writeTo: 's3',
})
const Delivery = new EntitySchema({
  name: 'Delivery',
  tableName: 'delivery',
  columns: { id: { type: 'int', primary: true }, file: fileColumn({ folder: 'deliveries' }) },
})
const dataSource = withFiles(
  storage,
  new DataSource({ type: 'postgres', url: address.url, entities: [Delivery] }),
)
await dataSource.initialize()
const tasks = { move: migrateFiles, rollback: rollbackFiles, prune: pruneFiles }
const report = await tasks[task]({ dataSource, entity: Delivery, to: 's3', ...options })
process.stdout.write(JSON.stringify(report))
await dataSource.destroy()
await storage.close()
