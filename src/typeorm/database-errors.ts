import type { Dialect } from './dialect.js'

/** Whether the database itself refused the statement; after a broken connection nobody knows its outcome. */
export function isAnswer(dialect: Dialect, error: unknown): boolean {
  if (!dialect.ownPool) return true
  const { severity, sqlState } = driverError(error)
  return severity !== undefined || sqlState !== undefined
}

/** One that undoes the whole transaction: MySQL and MariaDB (error 1213), PostgreSQL (40P01). */
export function isDeadlock(error: unknown): boolean {
  const { errno, code } = driverError(error)
  return errno === 1213 || code === '40P01'
}

function driverError(error: unknown): Record<string, unknown> {
  return (error as { driverError?: Record<string, unknown> } | null)?.driverError ?? {}
}
