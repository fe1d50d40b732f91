import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { abortError, bodyError } from '../core/abort.js'
import { contentDisposition } from '../core/content-disposition.js'
import type { Disk, StoredObject } from '../core/disk.js'
import { StorageError } from '../core/errors.js'
import { publish } from '../core/events.js'
import { assertFileName } from '../core/file-name.js'
import { newFileKey } from '../core/key.js'
import { isActiveType } from '../core/media-type.js'
import { acceptsType, type ResolvedRules } from '../core/rules.js'
import type { Storage } from '../core/storage.js'
import { type FileAddress, mintStoredFile, type StoredFile } from '../core/stored-file.js'
import { type Head, readHead } from './head.js'
import { Meter } from './meter.js'
import { extensionFor, SNIFF_BYTES, sniffType } from './sniff.js'
import { putStaged } from './staged-put.js'

/** A key is never used twice, so its bytes never change (RFC 8246). */
const FOR_EVER = 'public, max-age=31536000, immutable'

/** What the sender says of the file. */
export interface IncomingFile {
  name: string
  /** More bytes than these will not come, for example the Content-Length of the request. Default: nobody knows. */
  atMost?: number
  signal?: AbortSignal
  /** Told what the backend says of the object, once it is stored for good. */
  onStored?: (object: StoredObject) => void
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
  source: Readable,
  rules: ResolvedRules,
  incoming: IncomingFile,
): Promise<StoredFile> {
  const disk = storage.disk(rules.disk)
  disk.assertWritable()
  assertFileName(incoming.name)
  const { deadline, idleTimeout } = storage.uploads
  const meter = new Meter({ maxSize: rules.maxSize, idleTimeout })
  const abort = new AbortController()
  const release = tie(source, meter, abort, incoming.signal, deadline)
  try {
    await disk.ready()
    return await store(storage, disk, rules, incoming, meter, abort.signal)
  } catch (error) {
    throw firstCause(error, abort.signal)
  } finally {
    release()
  }
}

async function store(
  storage: Storage,
  disk: Disk,
  rules: ResolvedRules,
  { name, atMost = rules.maxSize, onStored }: IncomingFile,
  meter: Meter,
  signal: AbortSignal,
): Promise<StoredFile> {
  const head = await readHead(meter, SNIFF_BYTES)
  // Never more than that, however large the pieces are: the type must not depend on how a body arrives.
  const type = await sniffType(head.bytes.subarray(0, SNIFF_BYTES), name)
  assertAccepted(rules, type, head)
  const address = disk.address(newFileKey(rules.folder, randomUUID(), extensionFor(type, name)), 'put')
  try {
    const object = await putStaged(
      storage,
      disk,
      address,
      head.isAll ? head.bytes : meter,
      () => meter.size,
      {
        contentType: type,
        atMost: head.isAll ? head.bytes.length : Math.min(rules.maxSize, atMost),
        ...storedHeaders(disk, type, name),
        signal,
      },
    )
    const facts = { name, size: meter.size, type, sha256: meter.sha256(), version: object.version }
    const file = mintStoredFile({ home: storage, column: rules }, { ...address, ...facts })
    onStored?.(object)
    publish('upload', eventOf(address, meter.size, type))
    return file
  } catch (error) {
    publish('upload', { ...eventOf(address, meter.size, type), error: firstCause(error, signal) })
    throw error
  }
}

/** An abort is the cause of whatever error its echoes raised on the way here. */
function firstCause(error: unknown, signal: AbortSignal): unknown {
  return signal.aborted ? abortError(signal) : error
}

/** Joins source, meter and the bounds of time; gives the function that takes them apart again. */
function tie(
  source: Readable,
  meter: Meter,
  abort: AbortController,
  signal: AbortSignal | undefined,
  deadline: number,
): () => void {
  const stop = (reason: unknown) => {
    abort.abort(reason)
    meter.destroy(abortError(abort.signal))
  }
  const onSourceError = (error: Error) => stop(bodyError(error))
  const onSourceClose = () => {
    if (!source.readableEnded) stop(bodyError(source.errored ?? new Error('closed before its end')))
  }
  const onSignal = () => stop(signal?.reason)
  const timer = setTimeout(
    () => stop(new StorageError('ERR_UPLOAD_TIMEOUT', `The upload took longer than ${deadline} seconds.`)),
    deadline * 1000,
  )
  // The meter's own verdicts (limit, idle sender) end the backend's work as well. A backend that fails also
  // destroys the meter, with errors of its own; those must not pass for the sender's.
  meter.on('error', error => {
    if (error === meter.verdict) abort.abort(error)
  })
  source.on('error', onSourceError).once('close', onSourceClose)
  signal?.addEventListener('abort', onSignal, { once: true })
  if (signal?.aborted) onSignal()
  else if (source.destroyed && !source.readableEnded) onSourceClose()
  else source.pipe(meter)
  return () => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onSignal)
    source.unpipe(meter).off('error', onSourceError).off('close', onSourceClose)
    meter.destroy()
  }
}

function assertAccepted(rules: ResolvedRules, type: string, head: Head): void {
  if (head.isAll && head.bytes.length === 0 && rules.empty === 'refuse') {
    throw new StorageError('ERR_FILE_EMPTY', 'The file is empty.')
  }
  if (acceptsType(rules, type)) return
  throw new StorageError(
    'ERR_FILE_TYPE',
    `This is a file of type ${type}. Accepted here: ${rules.accept.join(', ')}.`,
  )
}

/** A public address overrides no header, so what must hold for it is stored with the object. */
function storedHeaders(
  disk: Disk,
  type: string,
  name: string,
): { contentDisposition?: string; cacheControl?: string } {
  const isPublic = disk.options.visibility === 'public'
  if (!isPublic && !isActiveType(type)) return {}
  return {
    contentDisposition: contentDisposition(isActiveType(type) ? 'attachment' : 'inline', name),
    cacheControl: isPublic ? (disk.options.cacheControl ?? FOR_EVER) : undefined,
  }
}

function eventOf({ disk, backend, tenant, key }: FileAddress, size: number, type: string) {
  return { disk, backend, tenant, key, size, type }
}
