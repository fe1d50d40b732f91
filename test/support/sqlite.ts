import path from 'node:path'
import libsql from 'libsql'
import type { DataSourceOptions } from 'typeorm'
import { tempDir } from './temp-dir.js'

/**
 * Options of a TypeORM DataSource on a SQLite file of its own, removed after the tests of the file. `libsql` is
 * better-sqlite3's interface without the minute of C++ that better-sqlite3 takes to install.
 */
export function sqliteOptions(): Extract<DataSourceOptions, { type: 'better-sqlite3' }> {
  return { type: 'better-sqlite3', driver: libsql, database: path.join(tempDir(), 'test.sqlite') }
}
