/**
 * The upload pipeline, for application code and for the rooms that receive files.
 *
 * @module
 */
export { type CopyFileOptions, copyFile } from './copy-file.js'
export { discardFile } from './discard-file.js'
export type { UploadProgress } from './progress.js'
export { type IncomingFile, receiveFile } from './receive-file.js'
export type { LocalPath } from './sources/local-path.js'
export type { FileBody } from './sources/open-source.js'
export type { RemoteFile } from './sources/remote-file.js'
export type { PushStaticOptions, StaticProgress, StaticPush } from './static/push-options.js'
export { pushStatic } from './static/push-static.js'
export { type BuildManifest, type StaticUrlOptions, staticUrls } from './static/static-urls.js'
export { type StoreFileOptions, storeFile } from './store-file.js'
