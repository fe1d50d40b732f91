/**
 * Middleware for Express: the tenant of each request, and signed downloads.
 *
 * @module
 */
export { answerErrors } from './answer-errors.js'
export {
  type ClsNamespace,
  fromClsHooked,
  fromHeader,
  fromRequest,
  fromSubdomain,
  type SubdomainOptions,
  type TenantResolver,
} from './resolvers.js'
export { type ServeFilesOptions, serveFiles } from './serve-files.js'
export { type TenantOptions, tenant } from './tenant.js'
