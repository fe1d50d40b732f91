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

/** The same suite on both databases. */
export function describeWithApplication(
  name: string,
  body: (open: () => Promise<Application>) => void,
): void {
  describe(`${name} on SQLite`, () => body(() => application(sqlite)))
  describeWithPostgres(`${name} on PostgreSQL`, () => body(() => application(postgres)))
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
  pathOf(file: StoredFile): string
  close(): Promise<void>
}

/** The module of the application's DataSource, in JavaScript. */
function dataSourceModule(inConfig: string): string {
  return `
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
export const driver = new LocalDriver({ root: 'files' })
const storage = createStorage({ secret: 'a secret of the command line tests', backends: { local: driver } })
const options = { ...${inConfig}, entities: [Ticket] }
export const dataSource = withFiles(storage, new DataSource(options), { reap: 'later', quota: '1mb' })
`
}

async function application(database: Database): Promise<Application> {
  const { options, inConfig } = await database()
  const shop = workshop(`export { dataSource } from './data-source.mjs'`)
  shop.write('data-source.mjs', dataSourceModule(inConfig))
  const files = path.join(shop.folder, 'files')
  const storage = createStorage({
    secret: 'a secret of the command line tests',
    backends: { local: new LocalDriver({ root: files }) },
  })
  const all = { ...options, synchronize: true, entities: [TicketSchema] } as DataSourceOptions
  const dataSource = withFiles(storage, new DataSource(all), { reap: 'later' })
  await dataSource.initialize()
  const tickets = dataSource.getRepository(TicketSchema)
  const upload = (tenant: string, body = 'hello') =>
    runWithTenant(tenant, () => storeFile(storage, Buffer.from(body), RULES, { name: 'a.txt' }))
  return {
    ...{ shop, storage, dataSource, upload },
    save: async (tenant, body) =>
      tickets.save(tickets.create({ tenantId: tenant, attachment: await upload(tenant, body) })),
    remove: async ticket => void (await tickets.remove({ ...ticket })),
    pathOf: ({ disk, tenant, key }) => path.join(files, disk, tenant ?? '', key),
    close: async () => {
      await dataSource.destroy()
      shop.remove()
    },
  }
}
