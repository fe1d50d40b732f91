import libsql from 'libsql'
import type { DataSourceOptions } from 'typeorm'

interface Statement {
  [method: string]: (...parameters: unknown[]) => unknown
}

interface Database {
  prepare(sql: string): Statement
}

/**
 * A SQLite database in a file. libsql has the interface of better-sqlite3, and is installed without a compiler;
 * where better-sqlite3 itself is installed, leave `driver` and `prepareDatabase` out.
 */
export function sqliteOptions(database: string): Extract<DataSourceOptions, { type: 'better-sqlite3' }> {
  return { type: 'better-sqlite3', driver: libsql, database, prepareDatabase: acceptSingleNull }
}

/** libsql 0.5 takes a single null for a set of named parameters, and fails: `UPDATE … SET file = ?`. */
function acceptSingleNull(database: Database): void {
  const prepare = database.prepare.bind(database)
  database.prepare = sql => {
    const statement = prepare(sql)
    for (const method of ['run', 'get', 'all', 'iterate']) {
      const original = statement[method]?.bind(statement)
      statement[method] = (...parameters) =>
        original?.(...(parameters.length === 1 && parameters[0] === null ? [parameters] : parameters))
    }
    return statement
  }
}
