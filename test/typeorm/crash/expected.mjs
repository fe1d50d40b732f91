/** What writers who meet, uploads that are late, and the operations themselves bring with them. Anything else is a bug. */
const CODES = [
  'ERR_FILE_STALE',
  'ERR_LEASE_LOST',
  '23505', // unique_violation
  '25P02', // in_failed_sql_transaction
  '40P01', // deadlock_detected
  'ER_DUP_ENTRY',
  'ER_LOCK_DEADLOCK',
]

/** @returns the code of an error that may happen; undefined for any other */
export function expectedCode(error) {
  const { code, driverError } = error ?? {}
  return [code, driverError?.code].find(each => CODES.includes(each))
}
