import process from 'node:process'
import { assertKnownOptions, type OptionNames } from '../core/known-options.js'
import { createStorage, type Storage, type StorageOptions } from '../core/storage.js'
import { warn } from '../core/warn.js'
import { backendsOf } from './backends.js'
import { disksWithCdn } from './cdn.js'
import { type Environment, readVariables, type Variables } from './variables.js'

/** What the environment does not say. */
export type EnvStorageOptions = Pick<StorageOptions, 'disks' | 'urls' | 'uploads' | 'ledgerOf'>

const OPTIONS: OptionNames<EnvStorageOptions> = {
  disks: 'known',
  urls: 'known',
  uploads: 'known',
  ledgerOf: 'known',
}

/**
 * Sets a storage up from environment variables; the reference page lists them. Synchronous: the driver is loaded
 * by `storage.ready()`.
 *
 * @throws ERR_CONFIG naming everything that is wrong at once
 * @example
 * export const storage = storageFromEnv()   // STORAGE_BACKEND=local | s3 | do_spaces | azure | gcs
 */
export function storageFromEnv(options: EnvStorageOptions = {}, env: Environment = process.env): Storage {
  assertKnownOptions('storageFromEnv()', options, OPTIONS)
  const variables = readVariables(env)
  warnOf(variables)
  return createStorage({
    ...options,
    ...backendsOf(variables),
    disks: disksWithCdn(variables, options.disks),
    secret: variables.STORAGE_URL_SECRET,
    baseUrl: variables.MEDIA_URL,
    environment: variables.STORAGE_ENVIRONMENT,
  })
}

function warnOf(variables: Variables): void {
  if (variables.USE_S3 !== undefined) {
    warn('ENV_USE_S3_DEPRECATED', 'USE_S3 is deprecated: set STORAGE_BACKEND=s3 (or local) instead.')
  }
}
