export { type DriverCase, type DriverCaseContext, driverCases } from './driver-cases.js'
export { type SlowPart, type SlowRequest, type SlowResponse, sendSlowly } from './slow-body.js'
