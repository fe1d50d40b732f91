import { Blob } from 'node:buffer'
import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import { StorageError } from '../../core/errors.js'
import { type LocalPath, openPath } from './local-path.js'
import type { OpenedSource } from './opened-source.js'
import { type OpenUrlOptions, openUrl, type RemoteFile } from './remote-file.js'

/** What {@link storeFile} stores: bytes, a stream of node or the web, a Blob or File, a local file, or one at a URL. */
export type FileBody = Uint8Array | Readable | ReadableStream | Blob | LocalPath | RemoteFile

/** @throws ERR_CONFIG for what is no body, ERR_SOURCE_REFUSED, ERR_SOURCE_FAILED, ERR_UPLOAD_TIMEOUT */
export async function openSource(body: FileBody, options: OpenUrlOptions): Promise<OpenedSource> {
  if (body instanceof Uint8Array || body instanceof Readable) return { source: body }
  if (body instanceof Blob) return openBlob(body)
  if (body instanceof ReadableStream) return { source: fromWeb(body) }
  if (isLocalPath(body)) return openPath(body)
  if (isRemoteFile(body)) return openUrl(body, options)
  throw new StorageError(
    'ERR_CONFIG',
    'storeFile takes a Buffer, a Uint8Array, a Readable, a ReadableStream, a Blob, { path } or { url }.',
  )
}

function openBlob(blob: Blob): OpenedSource {
  const name = 'name' in blob && typeof blob.name === 'string' ? blob.name : undefined
  return { source: fromWeb(blob.stream()), name, type: blob.type, size: blob.size }
}

function fromWeb(stream: ReadableStream): Readable {
  if (stream.locked) throw new StorageError('ERR_CONFIG', 'The stream to be stored is read by somebody else.')
  // Of objects, so that a stream that gives no bytes is refused where it can be caught.
  return Readable.fromWeb(stream, { objectMode: true })
}

function isLocalPath(body: FileBody): body is LocalPath {
  return isObject(body) && 'path' in body && typeof body.path === 'string'
}

function isRemoteFile(body: FileBody): body is RemoteFile {
  return isObject(body) && 'url' in body && (typeof body.url === 'string' || body.url instanceof URL)
}

function isObject(body: unknown): body is object {
  return typeof body === 'object' && body !== null
}
