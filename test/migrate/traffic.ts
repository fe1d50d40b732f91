import { randomUUID } from 'node:crypto'
import type { DataSource } from 'typeorm'
import { inLanes } from '../../src/core/in-lanes.js'
import { createStorage, type Storage } from '../../src/core/storage.js'
import { runWithTenant } from '../../src/core/tenant.js'
import { LocalDriver } from '../../src/drivers/local/index.js'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { rulesOf } from '../../src/typeorm/index.js'
import { storeFile } from '../../src/upload/index.js'
import { freshDatabase } from '../support/postgres.js'
import { createBucket, s3Connection } from '../support/s3.js'
import { tempDir } from '../support/temp-dir.js'
import { house } from '../typeorm/databases.js'
import { Parcel, readText } from './town.js'

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

/** A table whose files lie on the local disk while new ones go to S3 already, on PostgreSQL. */
export async function movingTown(count: number, tenants: number) {
  const { url } = await freshDatabase()
  const root = await tempDir()
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
  const { dataSource } = await house(async () => ({ type: 'postgres', url }), [Parcel], { storage })
  const parcels = dataSource.getRepository(Parcel)
  await inLanes([...Array(count).keys()], 8, async n => {
    const owner = `tenant-${n % tenants}`
    const file = await store(storage, owner, `${owner} ${n}`)
    await parcels.save(parcels.create({ file, owner }))
  })
  writeTo = 's3'
  const address: Address = { url, root, s3: { bucket, endpoint, region, ...credentials } }
  return { storage, dataSource, parcels, address }
}

function store(storage: Storage, tenant: string, body: string) {
  const rules = rulesOf(Parcel, 'file')
  return runWithTenant(tenant, () => storeFile(storage, Buffer.from(body), rules, { name: 'a.txt' }))
}

/** What an application does meanwhile, until it is told to stop. Any error of it rejects. */
export class Traffic {
  reads = 0
  saves = 0
  replaced = 0
  removed = 0
  #isOver = false
  readonly #work: Promise<unknown>

  private constructor(work: (traffic: Traffic) => Promise<unknown>[]) {
    this.#work = Promise.all(work(this))
  }

  /** Rows are loaded before it begins, and saved while their files move. */
  static async on(storage: Storage, dataSource: DataSource): Promise<Traffic> {
    const parcels = dataSource.getRepository(Parcel)
    const loaded = await parcels.find({ order: { id: 'ASC' } })
    // Each row is one worker's.
    const share = (worker: number) => loaded.filter(({ id }) => id % 10 === worker)
    return new Traffic(traffic => [
      traffic.#repeat(async () => {
        const page = await parcels.find({
          order: { id: 'ASC' },
          take: 100,
          skip: (traffic.reads * 7) % loaded.length,
        })
        for (const { file, owner } of page) {
          const text = await readText(file)
          if (!text.startsWith(owner)) throw new Error(`${owner} reads "${text}"`)
          traffic.reads++
        }
      }),
      traffic.#each(share(1), async parcel => {
        await parcels.save(Object.assign(parcel, { version: parcel.version + 1 }))
        traffic.saves++
      }),
      traffic.#each(share(2), async parcel => {
        parcel.file = await store(storage, parcel.owner, `${parcel.owner} replaced`)
        await parcels.save(parcel)
        traffic.replaced++
      }),
      traffic.#each(share(3), async parcel => {
        await parcels.remove(parcel)
        traffic.removed++
      }),
    ])
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#work
  }

  async #repeat(work: () => Promise<void>): Promise<void> {
    while (!this.#isOver) await work()
  }

  async #each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
    for (const item of items) {
      if (this.#isOver) return
      await work(item)
      await new Promise(done => setTimeout(done, 2))
    }
  }
}
