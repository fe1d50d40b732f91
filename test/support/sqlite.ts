import { createRequire } from 'node:module'
import path from 'node:path'
import type { DataSourceOptions } from 'typeorm'
import { sqliteOptions as onLibsql } from '../../examples/order-desk/sqlite.js'
import { tempDir } from './temp-dir.js'

/** Options of a TypeORM DataSource on a SQLite file of its own, removed after the tests of the file. */
export function sqliteOptions(): Extract<DataSourceOptions, { type: 'better-sqlite3' }> {
  const database = path.join(tempDir(), 'test.sqlite')
  const compiled = process.env.TEST_BETTER_SQLITE3
  if (compiled !== undefined && isWanted('better-sqlite3', { unlessSaid: false })) {
    const driver: unknown = createRequire(import.meta.url)(compiled)
    return { type: 'better-sqlite3', driver, database }
  }
  const options = onLibsql(database)
  return { ...options, driver: callable(options.driver) }
}

/** The same, on the driver that this project of the run is about: vitest.config.ts repeats the suites. */
export function embeddedOptions(): DataSourceOptions {
  if (!isWanted('sqljs', { unlessSaid: false })) return sqliteOptions()
  // In memory: to save, sql.js opens the database anew, and then without its foreign keys.
  return { type: 'sqljs' }
}

/** Whether this project of the run tests on a database. */
export function isWanted(database: string, options: { unlessSaid: boolean }): boolean {
  const said = process.env.TEST_DATABASES
  return said === undefined ? options.unlessSaid : said.split(',').includes(database)
}

/** TypeORM 0.3.26 calls the driver as a function, which better-sqlite3 permits and the class of libsql does not. */
function callable(Database: new (...args: unknown[]) => object) {
  return function open(...args: unknown[]) {
    return new Database(...args)
  }
}
