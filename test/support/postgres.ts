import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { describe, inject } from 'vitest'
import { afterThisFile } from './ends.js'
import { NEEDS, type PostgresServer } from './provided.js'
import { isWanted } from './sqlite.js'

/**
 * `describe` for suites that need PostgreSQL: skipped, and named at the end of the run, where there is none.
 * The body runs either way, so ask for {@link freshDatabase} in hooks and tests only.
 */
export function describeWithPostgres(name: string, body: () => void): void {
  if (!isWanted('postgres', { unlessSaid: true })) return
  describe.skipIf(inject('postgres') === undefined)(`${name} ${NEEDS.postgres}`, body)
}

export interface TestDatabase extends PostgresServer {
  database: string
  url: string
  /** Drops it, open connections included. Not needed at the end of a run: the server goes away then. */
  drop(): Promise<void>
}

/** An empty database nobody else uses, on the PostgreSQL of this run. */
export async function freshDatabase(): Promise<TestDatabase> {
  const server = inject('postgres')
  if (!server) throw new Error('no PostgreSQL in this run: use describeWithPostgres')
  const database = `test_${randomBytes(8).toString('hex')}`
  await administer(server, `CREATE DATABASE ${database}`)
  return {
    ...server,
    database,
    url: `postgres://${server.user}:${server.password}@${server.host}:${server.port}/${database}`,
    drop: () => administer(server, `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`),
  }
}

let administrator: Promise<Client> | undefined

/** By one connection for all tests of a file: a new one costs more than what it is asked to do. */
async function administer(server: PostgresServer, statement: string): Promise<void> {
  administrator ??= connect(server)
  await (await administrator).query(statement)
}

async function connect(server: PostgresServer): Promise<Client> {
  const client = new Client({ ...server, database: 'postgres' })
  afterThisFile(async () => {
    administrator = undefined
    await client.end()
  })
  await client.connect()
  return client
}
