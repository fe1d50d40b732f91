import { randomBytes } from 'node:crypto'
import { createConnection } from 'mysql2/promise'
import { describe, inject } from 'vitest'
import type { MariadbServer } from './provided.js'
import { isWanted } from './sqlite.js'

/** `describe` for suites that need MariaDB. They are part of the full suite only, where a missing server is a failure. */
export function describeWithMariadb(name: string, body: () => void): void {
  if (isWanted('mariadb', { unlessSaid: true }) && inject('mariadb') !== undefined) describe(name, body)
}

export interface MariadbDatabase extends MariadbServer {
  database: string
  url: string
}

/** An empty database nobody else uses, on the MariaDB of this run. */
export async function freshMariadb(): Promise<MariadbDatabase> {
  const server = inject('mariadb')
  if (!server) throw new Error('no MariaDB in this run: use describeWithMariadb')
  const database = `test_${randomBytes(8).toString('hex')}`
  const client = await createConnection(server)
  try {
    await client.query(`CREATE DATABASE ${database}`)
  } finally {
    await client.end()
  }
  const { user, password, host, port } = server
  return { ...server, database, url: `mysql://${user}:${password}@${host}:${port}/${database}` }
}
