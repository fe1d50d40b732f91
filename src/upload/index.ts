/**
 * The upload pipeline, for application code and for the rooms that receive files.
 *
 * @module
 */
export { discardFile } from './discard-file.js'
export { type IncomingFile, receiveFile } from './receive-file.js'
export { type StoreFileOptions, storeFile } from './store-file.js'
