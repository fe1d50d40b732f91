/**
 * The upload pipeline, for application code and for the rooms that receive files.
 *
 * @module
 */
export { type CopyFileOptions, copyFile } from './copy-file.js'
export { discardFile } from './discard-file.js'
export { type IncomingFile, receiveFile } from './receive-file.js'
export type { PushStaticOptions, StaticProgress, StaticPush } from './static/push-options.js'
export { pushStatic } from './static/push-static.js'
export { type BuildManifest, type StaticUrlOptions, staticUrls } from './static/static-urls.js'
export { type StoreFileOptions, storeFile } from './store-file.js'
