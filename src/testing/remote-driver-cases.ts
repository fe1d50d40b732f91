import { downloadCases } from './remote-driver-cases-download.js'
import { lostAnswerCases } from './remote-driver-cases-lost.js'
import { retryCases } from './remote-driver-cases-retry.js'
import type { RemoteDriverCase } from './remote-driver-cases-support.js'
import { timeoutCases } from './remote-driver-cases-timeout.js'

export type { RemoteDriverCase, RemoteDriverCaseContext } from './remote-driver-cases-support.js'

/**
 * What every driver that speaks HTTP promises of a backend that is slow, breaks off or is down, as plain data for any
 * test runner. Each case puts a relay between the driver and a real backend, and lets it misbehave.
 *
 * @example
 * for (const { name, run } of remoteDriverCases) {
 *   test(name, () => run({ target, prefix: `${randomUUID()}/`, through: (endpoint, limits) => new MyDriver({ endpoint, ...limits }) }))
 * }
 */
export const remoteDriverCases: readonly RemoteDriverCase[] = [
  ...timeoutCases,
  ...retryCases,
  ...lostAnswerCases,
  ...downloadCases,
]
