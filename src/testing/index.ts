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
export { type SlowPart, type SlowRequest, type SlowResponse, sendSlowly } from './slow-body.js'
