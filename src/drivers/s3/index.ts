export type { AddressingStyle, S3DriverOptions } from './options.js'
export { S3Driver } from './s3-driver.js'
