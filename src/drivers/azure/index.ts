export { AzureDriver } from './azure-driver.js'
export type { AzureDriverOptions, AzureTokenCredential } from './options.js'
