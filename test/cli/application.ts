import path from 'node:path'
import { DataSource, type DataSourceOptions, EntitySchema } from 'typeorm'
import { describe } from 'vitest'
import { createStorage, type Storage } from '../../src/core/storage.js'
import type { StoredFile } from '../../src/core/stored-file.js'
import { runWithTenant } from '../../src/core/tenant.js'
import { LocalDriver } from '../../src/drivers/local/index.js'
import { fileColumn, withFiles } from '../../src/typeorm/index.js'
import { storeFile } from '../../src/upload/index.js'
import { describeWithPostgres, freshDatabase } from '../support/postgres.js'
import { sqliteOptions } from '../support/sqlite.js'
import { bySuite } from '../support/suites.js'
import { type Workshop, workshop } from './command-line.js'

export interface Ticket {
  id: number
  tenantId: string
  attachment: StoredFile | null
}

export const RULES = { disk: 'media', folder: 'tickets' }

const TicketSchema = new EntitySchema<Ticket>({
  name: 'Ticket',
  columns: {
    id: { type: 'int', primary: true, generated: true },
    tenantId: { type: 'text' },
    attachment: fileColumn(RULES),
  },
})

/** A database that the tests and the command both open. */
type Database = () => Promise<{ options: DataSourceOptions; inConfig: string }>

async function sqlite(): ReturnType<Database> {
  const options = sqliteOptions()
  const inConfig = `{ type: 'better-sqlite3', driver: libsql, database: ${JSON.stringify(options.database)} }`
  return { options, inConfig }
}

async function postgres(): ReturnType<Database> {
  const { url } = await freshDatabase()
  return { options: { type: 'postgres', url }, inConfig: `{ type: 'postgres', url: ${JSON.stringify(url)} }` }
}

/** The same suite on SQLite, and in the full suite on PostgreSQL too. */
export function describeWithApplication(
  name: string,
  body: (open: (setup?: Setup) => Promise<Application>) => void,
): void {
  for (const database of bySuite({ quick: ['SQLite'], full: ['SQLite', 'PostgreSQL'] })) {
    if (database === 'SQLite') describe(`${name} on SQLite`, () => body(setup => application(sqlite, setup)))
    else describeWithPostgres(`${name} on PostgreSQL`, () => body(setup => application(postgres, setup)))
  }
}

/** The storage of an application: folders as backends. */
export interface Setup {
  /** Default: `local` alone. */
  readonly backends?: readonly string[]
  /** Default: the first. */
  readonly writeTo?: string
  readonly environment?: string
  /** Names a further backend, which nobody can reach. */
  readonly away?: string
}

/** An application whose command runs in a folder, and whose rows and files the test makes. */
export interface Application {
  readonly shop: Workshop
  readonly storage: Storage
  readonly dataSource: DataSource
  /** Saves a ticket with a small file. */
  save(tenant: string, body?: string): Promise<Ticket>
  upload(tenant: string, body?: string): Promise<StoredFile>
  remove(ticket: Ticket): Promise<void>
  /** Where a file lies on this machine. */
  pathOf(file: Pick<StoredFile, 'backend' | 'disk' | 'tenant' | 'key'>): string
  /** Another set-up of the storage, for the command alone. @returns its name, for `--data-source` */
  configure(setup: Setup): string
  close(): Promise<void>
}

/** The module of the application's DataSource, in JavaScript. */
function dataSourceModule(inConfig: string, setup: Setup): string {
  const { backends = ['local'], writeTo, environment, away } = setup
  const drivers = backends.map(
    name => `${name}: new LocalDriver({ root: path.join(import.meta.dirname, '${folderOf(name)}') })`,
  )
  if (away !== undefined) drivers.push(`${away}: await unreachable()`)
  const more = JSON.stringify({ writeTo: writeTo ?? backends[0], environment })
  return `
import path from 'node:path'
import libsql from 'libsql'
import { createStorage } from 'tenant-files'
import { LocalDriver } from 'tenant-files/drivers/local'
import { fileColumn, withFiles } from 'tenant-files/typeorm'
import { DataSource, EntitySchema } from 'typeorm'

const Ticket = new EntitySchema({
  name: 'Ticket',
  columns: {
    id: { type: 'int', primary: true, generated: true },
    tenantId: { type: 'text' },
    attachment: fileColumn(${JSON.stringify(RULES)}),
  },
})
async function unreachable() {
  const { S3Driver } = await import('tenant-files/drivers/s3')
  const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' }
  return new S3Driver({ bucket: 'files', region: 'fra1', endpoint: 'http://127.0.0.1:1', credentials })
}
const backends = { ${drivers.join(', ')} }
export const driver = backends.${backends[0]}
const storage = createStorage({ secret: 'a secret of the command line tests', backends, ...${more} })
const options = { ...${inConfig}, entities: [Ticket] }
export const dataSource = withFiles(storage, new DataSource(options), { reap: 'later', quota: '1mb' })
`
}

function folderOf(backend: string): string {
  return backend === 'local' ? 'files' : `files-${backend}`
}

async function application(database: Database, setup: Setup = {}): Promise<Application> {
  const { options, inConfig } = await database()
  const shop = workshop(`export { dataSource } from './data-source.mjs'`)
  // Each under a name of its own: the process of the tests loads a module once.
  let setups = 0
  const configure = (setup: Setup) => {
    const name = setups++ === 0 ? 'data-source.mjs' : `data-source-${setups}.mjs`
    shop.write(name, dataSourceModule(inConfig, setup))
    return name
  }
  configure(setup)
  const { backends = ['local'], writeTo } = setup
  const rootOf = (backend: string) => path.join(shop.folder, folderOf(backend))
  const storage = createStorage({
    secret: 'a secret of the command line tests',
    backends: Object.fromEntries(backends.map(name => [name, new LocalDriver({ root: rootOf(name) })])),
    writeTo: writeTo ?? backends[0],
  })
  const all = { ...options, synchronize: true, entities: [TicketSchema] } as DataSourceOptions
  const dataSource = withFiles(storage, new DataSource(all), { reap: 'later' })
  await dataSource.initialize()
  const tickets = dataSource.getRepository(TicketSchema)
  const upload = (tenant: string, body = 'hello') =>
    runWithTenant(tenant, () => storeFile(storage, Buffer.from(body), RULES, { name: 'a.txt' }))
  return {
    ...{ shop, storage, dataSource, upload, configure },
    save: async (tenant, body) =>
      tickets.save(tickets.create({ tenantId: tenant, attachment: await upload(tenant, body) })),
    remove: async ticket => void (await tickets.remove({ ...ticket })),
    pathOf: ({ backend, disk, tenant, key }) => path.join(rootOf(backend), disk, tenant ?? '', key),
    close: async () => {
      await dataSource.destroy()
      shop.remove()
    },
  }
}
