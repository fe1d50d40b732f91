export { ChaosDriver, type ChaosOptions, type InjectedFault } from './chaos-driver.js'
export type { ChaosFault, ChaosMethod, ChaosRule } from './chaos-schedule.js'
export { type CopyFromCase, type CopyFromCaseContext, copyFromCases } from './copy-from-cases.js'
export { type DriverCase, type DriverCaseContext, driverCases } from './driver-cases.js'
export { assertTenantIsolation } from './isolation/assert-tenant-isolation.js'
export type {
  CallerRequest,
  IsolationCaller,
  IsolationDoor,
  IsolationEdit,
  IsolationUpload,
  TenantIsolationOptions,
} from './isolation/options.js'
export { type Relay, type RelayFault, type RelayRule, startRelay } from './relay.js'
export {
  type RemoteDriverCase,
  type RemoteDriverCaseContext,
  remoteDriverCases,
} from './remote-driver-cases.js'
export { type SlowPart, type SlowRequest, type SlowResponse, sendSlowly } from './slow-body.js'
