import { failureCases } from './driver-cases-failure.js'
import { keyCases } from './driver-cases-keys.js'
import { listCases } from './driver-cases-list.js'
import { putCases } from './driver-cases-put.js'
import { readCases } from './driver-cases-read.js'
import { signedUrlCases } from './driver-cases-signed-url.js'
import type { DriverCase } from './driver-cases-support.js'

export type { DriverCase, DriverCaseContext } from './driver-cases-support.js'

/**
 * What every driver promises, as plain data for any test runner. Give each case a fresh prefix, and configure the
 * driver with the smallest parts it can have: the large bodies here are 6 MiB and 11 MiB.
 *
 * @example
 * for (const { name, needs, run } of driverCases) {
 *   test(name, { skip: needs && !driver.capabilities[needs] }, () => run({ driver, prefix: `${randomUUID()}/` }))
 * }
 */
export const driverCases: readonly DriverCase[] = [
  ...putCases,
  ...failureCases,
  ...readCases,
  ...listCases,
  ...keyCases,
  ...signedUrlCases,
]
