import { randomUUID } from 'node:crypto'
import express, { type Express } from 'express'
import type { DataSource, Repository } from 'typeorm'
import { fileRoutes } from '../../examples/order-desk/routes/file-routes.js'
import { inLanes } from '../../src/core/in-lanes.js'
import { createStorage, type Storage } from '../../src/core/storage.js'
import { runWithTenant } from '../../src/core/tenant.js'
import { LocalDriver } from '../../src/drivers/local/index.js'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { answerErrors, fromHeader, serveFiles, tenant } from '../../src/express/index.js'
import { type Reaper, rulesOf, startReaper } from '../../src/typeorm/index.js'
import { storeFile } from '../../src/upload/index.js'
import { listen } from '../integration/http.js'
import { afterThisTest } from '../support/ends.js'
import { freshDatabase } from '../support/postgres.js'
import { createBucket, s3Connection } from '../support/s3.js'
import { tempDir } from '../support/temp-dir.js'
import { house } from '../typeorm/databases.js'
import { contentOf, Delivery, nameOf } from './delivery.js'

/** What a second process needs to work on the same rows and files. */
export interface Address {
  readonly url: string
  readonly root: string
  readonly s3: {
    bucket: string
    endpoint: string
    region: string
    accessKeyId: string
    secretAccessKey: string
  }
}

/** An application whose files lie on the local disk, while new ones go to S3 already. */
export interface MovingTown {
  readonly storage: Storage
  readonly dataSource: DataSource
  readonly deliveries: Repository<Delivery>
  readonly tenants: readonly string[]
  readonly address: Address
  /** Works every second. */
  readonly reaper: Reaper
  /** Where the application listens. */
  readonly site: string
}

/** On PostgreSQL, with so many rows. What is replaced and removed is reaped at once. */
export async function movingTown(rows: number, tenantCount: number): Promise<MovingTown> {
  const { url } = await freshDatabase()
  const root = tempDir()
  const bucket = await createBucket('migrate')
  const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
  const credentials = { accessKeyId, secretAccessKey }
  let writeTo = 'local'
  const storage = createStorage({
    secret: randomUUID(),
    backends: {
      local: new LocalDriver({ root }),
      s3: new S3Driver({ bucket, endpoint, region, credentials }),
    },
    writeTo: () => writeTo,
  })
  const { dataSource } = await house(async () => ({ type: 'postgres', url }), [Delivery], {
    ...{ storage, reap: 'after-commit' },
    // instead of the one that remembers every statement
    logger: 'simple-console',
  })
  const tenants = Array.from({ length: tenantCount }, (_, n) => `tenant-${n}`)
  await fill({ storage, dataSource, tenants }, rows)
  writeTo = 's3'
  const reaper = startReaper(storage, { interval: 1 })
  afterThisTest(() => reaper.stop())
  const { url: site } = await listen(application(storage, dataSource))
  const address: Address = { url, root, s3: { bucket, endpoint, region, ...credentials } }
  const deliveries = dataSource.getRepository(Delivery)
  return { storage, dataSource, deliveries, tenants, address, reaper, site }
}

/** Those of one tenant lie far from each other. */
async function fill(
  { storage, dataSource, tenants }: Pick<MovingTown, 'storage' | 'dataSource' | 'tenants'>,
  rows: number,
): Promise<void> {
  const deliveries = dataSource.getRepository(Delivery)
  const batches = Array.from({ length: Math.ceil(rows / 100) }, (_, n) => n * 100)
  await inLanes(batches, 4, async first => {
    const numbers = Array.from({ length: Math.min(100, rows - first) }, (_, n) => first + n)
    const batch = await Promise.all(
      numbers.map(async number => {
        const tenant = tenants[number % tenants.length] ?? ''
        const name = nameOf(tenant, number)
        const store = () => storeFile(storage, contentOf(name), rulesOf(Delivery, 'file'), { name })
        return deliveries.create({ tenant, file: await runWithTenant(tenant, store) })
      }),
    )
    await deliveries.save(batch)
  })
}

function application(storage: Storage, dataSource: DataSource): Express {
  const app = express()
  app.set('env', 'test') // Express' own error handler prints otherwise
  app.use('/files', serveFiles(storage))
  app.use(tenant({ resolve: fromHeader('x-tenant'), verify: () => true }))
  app.use('/deliveries', fileRoutes(storage, dataSource, Delivery))
  app.use(answerErrors())
  return app
}
