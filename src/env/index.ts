/**
 * A storage from environment variables.
 *
 * @module
 */
export { type EnvStorageOptions, storageFromEnv } from './storage-from-env.js'
export type { Environment } from './variables.js'
