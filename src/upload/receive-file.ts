import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { abortError, assertSignal, untilAborted } from '../core/abort.js'
import { isInMemory } from '../core/body.js'
import type { Disk } from '../core/disk.js'
import type { PutBody } from '../core/driver.js'
import { StorageError } from '../core/errors.js'
import { publish } from '../core/events.js'
import { assertFileName } from '../core/file-name.js'
import { newFileKey } from '../core/key.js'
import { maxSizeFor } from '../core/max-size.js'
import type { ResolvedRules } from '../core/rules.js'
import type { Storage } from '../core/storage.js'
import { assertUploadTime } from '../core/storage-options.js'
import { type FileAddress, mintStoredFile, type StoredFile } from '../core/stored-file.js'
import type { StoredObject } from '../core/stored-object.js'
import { tryGetTenant } from '../core/tenant.js'
import { assertAccepted } from './accepted.js'
import type { Content } from './content.js'
import { type Progress, type ProgressSubject, progressOf, type UploadProgress } from './progress.js'
import { extensionFor, PLAIN_BYTES, sniffContent, sniffPlain } from './sniff.js'
import { putStaged } from './staged-put.js'
import { storedHeaders } from './stored-headers.js'
import { StreamedContent } from './streamed-content.js'
import { WholeContent } from './whole-content.js'

/** What the sender says of the file, and how its upload is watched. */
export interface IncomingFile {
  /** As people shall see it; its extension helps to tell text types apart. */
  name: string
  /** The media type that the sender claims. It decides nothing; a rule may refuse a claim that the bytes belie. */
  type?: string
  /** The length that the sender promises, in bytes; another one is ERR_UPLOAD_ABORTED. */
  size?: number
  /** More bytes than these will not come, for example the Content-Length of the request. Default: nobody knows. */
  atMost?: number
  /** The form field that it came in, for a `maxSize` that asks for it and for progress. */
  field?: string
  /** Ends the upload early; nothing of it stays. */
  signal?: AbortSignal
  /** Begins to watch for what else ends the upload early, and gives the function that ends the watch. */
  watch?: (stop: (reason: StorageError) => void) => () => void
  /** The longest pause of the sender, in seconds. Default: that of the storage's `uploads`. */
  idleTimeout?: number
  /** The longest upload in all, in seconds. Default: that of the storage's `uploads`. */
  deadline?: number
  /** Told how far the upload is, as the event `progress` is. One that throws ends the upload. */
  onProgress?: (progress: UploadProgress) => void
  /** Told what the backend says of the object, once it is stored for good. */
  onStored?: (object: StoredObject) => void
}

/** One upload on its way through the pipeline. */
interface Upload {
  readonly id: string
  readonly storage: Storage
  readonly disk: Disk
  readonly rules: ResolvedRules
  readonly incoming: IncomingFile
  readonly content: Content
  readonly signal: AbortSignal
  readonly progress: Progress | undefined
}

/**
 * The upload pipeline: names and tenant are checked before a byte is read, the type before a byte is stored.
 * Then ledger, backend, ledger. Whatever fails, nothing is left, and the first cause is what the caller sees.
 *
 * It reads from `source` but never destroys it, and listens to its errors only meanwhile: both are its owner's
 * business (Multer wants it drained).
 */
export async function receiveFile(
  storage: Storage,
  source: Readable | Uint8Array,
  rules: ResolvedRules,
  incoming: IncomingFile,
): Promise<StoredFile> {
  const disk = storage.disk(rules.disk)
  disk.assertWritable()
  assertFileName(incoming.name)
  assertPromisedSize(incoming.size)
  assertSignal(incoming.signal)
  const { idleTimeout = storage.uploads.idleTimeout, deadline = storage.uploads.deadline } = incoming
  assertUploadTime(idleTimeout)
  assertUploadTime(deadline)
  const abort = new AbortController()
  const stop = (reason: unknown) => {
    abort.abort(reason)
    content.fail(abortError(abort.signal))
  }
  const id = randomUUID()
  const progress = progressOf(() => aboutUpload(id, source, rules, incoming), incoming.onProgress, stop)
  const content =
    source instanceof Readable
      ? new StreamedContent(source, {
          idleTimeout,
          total: incoming.size,
          onFailure: reason => abort.abort(reason),
          progress,
        })
      : new WholeContent(source, incoming.size, progress)
  const release = bound(stop, incoming, deadline)
  try {
    const upload = { id, storage, disk, rules, incoming, content, signal: abort.signal, progress }
    return await store(upload)
  } catch (error) {
    const cause = firstCause(error, abort.signal)
    progress?.tell('failed', content.size, cause)
    throw cause
  } finally {
    release()
    content.release()
  }
}

function assertPromisedSize(size: number | undefined): void {
  if (size === undefined || (Number.isInteger(size) && size >= 0)) return
  throw new StorageError('ERR_CONFIG', `The size of a file is a number of bytes; got ${size}.`)
}

async function store(upload: Upload): Promise<StoredFile> {
  const { storage, disk, rules, incoming, content, signal } = upload
  const { name } = incoming
  // Nothing is waited for that is there: on Node 20 each promise costs, for as long as AsyncLocalStorage is in use.
  const maxSize = limitAtHand(upload) ?? (await untilAborted(prepare(upload), signal))
  content.start(maxSize)
  if (!content.has(PLAIN_BYTES)) await content.until(PLAIN_BYTES)
  const type = sniffPlain(content) ?? (await sniffContent(content, name))
  assertAccepted(rules, type, content, incoming)
  const address = disk.address(newFileKey(rules.folder, upload.id, extensionFor(type, name)), 'put')
  const body = content.body()
  const object = await put(upload, address, body instanceof Promise ? await body : body, type, maxSize)
  const facts = { name, size: content.size, type, sha256: content.sha256(), version: object.version }
  const file = mintStoredFile({ home: storage, column: rules }, { ...address, ...facts })
  incoming.onStored?.(object)
  publish('upload', eventOf(address, content.size, type))
  return file
}

/** The limit in bytes, where all that is needed before the first byte is open. */
function limitAtHand({ disk, rules }: Upload): number | undefined {
  return typeof rules.maxSize === 'number' && disk.isReady ? rules.maxSize : undefined
}

/** Opens what is needed before the first byte, and gives the limit in bytes. */
async function prepare({ storage, disk, rules, incoming, signal }: Upload): Promise<number> {
  await disk.ready()
  if (typeof rules.maxSize === 'number') return rules.maxSize
  const of = { tenant: tryGetTenant() ?? null, field: rules.field ?? incoming.field }
  return maxSizeFor(rules.maxSize, of, { timeout: storage.uploads.maxSizeTimeout, signal })
}

function put(
  upload: Upload,
  address: FileAddress,
  body: PutBody,
  type: string,
  maxSize: number,
): Promise<StoredObject> {
  const { storage, disk, incoming, content, signal, progress } = upload
  const size = isInMemory(body) ? content.size : content.total
  const atMost = size ?? Math.min(maxSize, incoming.atMost ?? maxSize)
  const { contentDisposition, cacheControl } = storedHeaders(disk, type, incoming.name)
  return putStaged({
    storage,
    disk,
    address,
    body,
    sizeOf: () => content.size,
    atMost,
    options: { contentType: type, contentDisposition, cacheControl, size, atMost, signal },
    onStored: () => progress?.tell('stored', content.size),
    onConfirmed: () => progress?.tell('confirmed', content.size),
  }).catch(error => {
    publish('upload', { ...eventOf(address, content.size, type), error: firstCause(error, signal) })
    throw error
  })
}

function aboutUpload(
  id: string,
  source: Readable | Uint8Array,
  rules: ResolvedRules,
  { name, size, field }: IncomingFile,
): ProgressSubject {
  const total = source instanceof Readable ? size : source.length
  const of = rules.field ?? field
  return {
    id,
    disk: rules.disk,
    tenant: tryGetTenant() ?? null,
    name,
    ...(total === undefined ? {} : { total }),
    ...(of === undefined ? {} : { field: of }),
  }
}

/** An abort is the cause of whatever error its echoes raised on the way here. */
function firstCause(error: unknown, signal: AbortSignal): unknown {
  return signal.aborted ? abortError(signal) : error
}

/** Ends an upload by its signal, its watch and its deadline; gives the function that ends the watch. */
function bound(
  stop: (reason: unknown) => void,
  { signal, watch }: IncomingFile,
  deadline: number,
): () => void {
  const onSignal = () => stop(signal?.reason)
  const timer = setTimeout(
    () => stop(new StorageError('ERR_UPLOAD_TIMEOUT', `The upload took longer than ${deadline} seconds.`)),
    deadline * 1000,
  )
  signal?.addEventListener('abort', onSignal, { once: true })
  if (signal?.aborted) onSignal()
  const endWatch = watch?.(stop)
  return () => {
    clearTimeout(timer)
    endWatch?.()
    signal?.removeEventListener('abort', onSignal)
  }
}

function eventOf({ disk, backend, tenant, key }: FileAddress, size: number, type: string) {
  return { disk, backend, tenant, key, size, type }
}
