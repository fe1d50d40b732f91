import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Express } from 'express'
import type { Storage } from 'tenant-files'
import { storageFromEnv } from 'tenant-files/env'
import { startReaper, withFiles } from 'tenant-files/typeorm'
import { pushStatic } from 'tenant-files/upload'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { createApp } from './app.js'
import { BlogPicture } from './entities/blog-picture.js'
import { ClassBundle } from './entities/class-bundle.js'
import { OrderFile } from './entities/order-file.js'
import { Message, MessageAttachment, Ticket, TicketAttachment } from './entities/ticket.js'
import { shipped } from './shipped.js'
import { sqliteOptions } from './sqlite.js'

/** The running application and what it stands on. */
export interface Desk {
  app: Express
  storage: Storage
  dataSource: DataSource
  close(): Promise<void>
}

/**
 * Starts the order desk. Where its files lie is said by the environment (STORAGE_BACKEND and its friends), where
 * its rows lie by DATABASE_URL (PostgreSQL) or DATABASE_FILE (SQLite).
 */
export async function startDesk(env: Record<string, string | undefined>): Promise<Desk> {
  const storage = storageFromEnv({}, env)
  const dataSource = withFiles(storage, new DataSource(databaseOf(env)))
  await dataSource.initialize()
  const reaper = startReaper(storage)
  // A real application does this when it is deployed, once, and not at every start.
  await pushStatic(storage, fileURLToPath(shipped('static')))
  const close = async () => {
    await reaper.stop()
    await dataSource.destroy()
    await storage.close()
  }
  return { app: createApp(storage, dataSource), storage, dataSource, close }
}

function databaseOf(env: Record<string, string | undefined>): DataSourceOptions {
  const entities = [OrderFile, ClassBundle, BlogPicture, Ticket, TicketAttachment, Message, MessageAttachment]
  const common = { entities, synchronize: true } as const
  if (env.DATABASE_URL) return { ...common, type: 'postgres', url: env.DATABASE_URL }
  const database = env.DATABASE_FILE ?? 'var/order-desk.sqlite'
  mkdirSync(path.dirname(database), { recursive: true })
  return { ...common, ...sqliteOptions(database) }
}
