import path from 'node:path'
import type { DataSourceOptions } from 'typeorm'
import { sqliteOptions as inFile } from '../../examples/order-desk/sqlite.js'
import { tempDir } from './temp-dir.js'

/** Options of a TypeORM DataSource on a SQLite file of its own, removed after the tests of the file. */
export function sqliteOptions(): Extract<DataSourceOptions, { type: 'better-sqlite3' }> {
  return inFile(path.join(tempDir(), 'test.sqlite'))
}
