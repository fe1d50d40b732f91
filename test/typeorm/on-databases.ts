import { describe } from 'vitest'
import { describeWithMariadb, freshMariadb } from '../support/mariadb.js'
import { describeWithPostgres, freshDatabase } from '../support/postgres.js'
import { embeddedOptions } from '../support/sqlite.js'
import { waysOf } from '../support/suites.js'
import type { FreshOptions } from './databases.js'

type Suite = (fresh: FreshOptions) => void

const DATABASES = {
  SQLite: (name: string, body: Suite) => describe(name, () => body(async () => embeddedOptions())),
  PostgreSQL: (name: string, body: Suite) =>
    describeWithPostgres(name, () =>
      body(async () => ({ type: 'postgres', url: (await freshDatabase()).url })),
    ),
  MariaDB: (name: string, body: Suite) =>
    describeWithMariadb(name, () => body(async () => ({ type: 'mariadb', url: (await freshMariadb()).url }))),
}

type Database = keyof typeof DATABASES

/** The same suite on SQLite and on PostgreSQL, and in the full suite on MariaDB: what the database itself decides. */
export function describeOnDatabases(name: string, body: Suite): void {
  describeOn(waysOf<Database>(['SQLite', 'PostgreSQL'], ['MariaDB']), name, body)
}

/**
 * The same suite on SQLite, and in the full suite on all databases: what is decided above the database, by TypeORM and
 * by us. A PostgreSQL database for each test is what takes most of the time.
 */
export function describeOnSqliteFirst(name: string, body: Suite): void {
  describeOn(waysOf<Database>(['SQLite'], ['PostgreSQL', 'MariaDB']), name, body)
}

function describeOn(databases: readonly Database[], name: string, body: Suite): void {
  for (const database of databases) DATABASES[database](`${name} on ${database}`, body)
}
