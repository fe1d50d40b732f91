export { GcsDriver } from './gcs-driver.js'
export type { GcsDriverOptions, GcsHmacKey, GcsServiceAccount } from './options.js'
