import { Readable } from 'node:stream'
import { throwIfAborted } from '../core/abort.js'
import { isInMemory } from '../core/body.js'
import type { Disk } from '../core/disk.js'
import type { PutBody, PutOptions } from '../core/driver.js'
import { StorageError } from '../core/errors.js'
import { publish } from '../core/events.js'
import type { StagedUpload } from '../core/ledger.js'
import type { Storage } from '../core/storage.js'
import type { FileAddress } from '../core/stored-file.js'
import type { StoredObject } from '../core/stored-object.js'

/** How long a driver may take to clean up after an abort, in milliseconds. */
const CLEAN_UP_TIME = 60_000

/** One object on its way to its backend. */
export interface StagedPut {
  readonly storage: Storage
  readonly disk: Disk
  readonly address: FileAddress
  readonly body: PutBody
  /** How many bytes the body had, to be asked when it has ended. */
  readonly sizeOf: () => number
  /** The most bytes that the body can have; a quota sets them aside. */
  readonly atMost: number
  readonly options: PutOptions & { readonly signal: AbortSignal }
  /** Told when the backend has the object. */
  readonly onStored: () => void
  /** Told when the ledger knows it too. Who aborts even now gets nothing. */
  readonly onConfirmed: () => void
}

/**
 * Stores one object between two lines of the ledger: pending before its first byte, confirmed after the
 * backend's answer. Whatever happens in between, the object is known to the ledger or gone.
 *
 * @returns what the backend says of the object
 */
export function putStaged(upload: StagedPut): Promise<StoredObject> {
  const { storage, disk, address, sizeOf, atMost, onStored, onConfirmed } = upload
  const { signal } = upload.options
  const staging = { atMost, signal, sizeOf, onStored, onConfirmed }
  return putBetweenLines(storage, disk, address, staging, staged => put(upload, staged))
}

/** What is known of an object before it is stored. */
export interface StagedObjectOptions {
  atMost: number
  signal: AbortSignal | undefined
  /** Asked when the object is stored. */
  sizeOf: () => number
  /** Told when the backend has the object. */
  onStored?: () => void
  /** Told when the ledger knows it too. */
  onConfirmed?: () => void
}

/** {@link putStaged} with a way of one's own to store; a `store` that fails abandons or leaves the line itself. */
export async function putBetweenLines<T>(
  storage: Storage,
  disk: Disk,
  address: FileAddress,
  { atMost, signal, sizeOf, onStored, onConfirmed }: StagedObjectOptions,
  store: (staged: StagedUpload) => Promise<T>,
): Promise<T> {
  const { backend, tenant } = address
  const entry = { backend, objectKey: disk.objectKey(address), disk: disk.name, tenant, atMost }
  const staged = await storage.ledgers.of(tenant).stage(entry)
  const stored = await store(staged)
  try {
    onStored?.()
    throwIfAborted(signal)
    await staged.confirm(sizeOf())
    onConfirmed?.()
    throwIfAborted(signal)
    return stored
  } catch (error) {
    // Complete, but nobody's: the client left, the lease ran out, or the ledger cannot be reached.
    if (await remove(disk, address)) await abandon(staged, disk, address)
    else staged.leave()
    throw error
  }
}

async function put(
  { disk, address, body, sizeOf, options }: StagedPut,
  staged: StagedUpload,
): Promise<StoredObject> {
  let isSent = false
  let isLeft = false
  try {
    throwIfAborted(options.signal)
    isSent = isInMemory(body)
    const onMultipart = (id: string) => staged.recordMultipart(id)
    const onLeftover = (error: unknown) => {
      isLeft = true
      publishLeftover(disk, address, error)
    }
    const putting = disk.put(address, body, { ...options, onMultipart, onLeftover })
    const object = await settledSoon(putting, options.signal)
    if (object.size === sizeOf()) return object
    throw new StorageError('ERR_BACKEND', `The backend stored ${object.size} of ${sizeOf()} bytes.`, {
      backend: address.backend,
      operation: 'put',
    })
  } catch (error) {
    isSent ||= body instanceof Readable && body.readableEnded
    if (!isSent && !isLeft && isSenders(error)) await abandon(staged, disk, address)
    // The backend failed, keeps parts, or had all bytes when the sender left: nobody knows what it still does with
    // them. The line stays until its lease runs out, and the key is looked after once more.
    else staged.leave()
    throw error
  }
}

/**
 * A driver that hears an abort gives up and cleans up, which may take a few requests. One that never answers must not
 * keep the lease alive for ever: its line is left to run out, and its key is looked after then.
 */
function settledSoon<T>(putting: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const onAbort = () => {
      timer = setTimeout(() => reject(unheard()), CLEAN_UP_TIME)
    }
    const release = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    putting.then(
      stored => {
        release()
        resolve(stored)
      },
      error => {
        release()
        reject(error)
      },
    )
  })
}

function unheard(): StorageError {
  return new StorageError('ERR_BACKEND_TIMEOUT', 'The storage did not end an upload that was given up.', {
    operation: 'put',
  })
}

/** Whether an upload failed by its sender, so that the backend never had a whole object. */
function isSenders(error: unknown): boolean {
  // A key of ours is never taken by anybody else: what is there is our own first attempt, whose answer was lost.
  return StorageError.is(error) && error.status < 500 && error.code !== 'ERR_FILE_EXISTS'
}

/** What led here is what the caller must hear; a line that cannot be taken back goes when its lease runs out. */
export async function abandon(staged: StagedUpload, disk: Disk, address: FileAddress): Promise<void> {
  try {
    await staged.abandon()
  } catch (error) {
    publishLeftover(disk, address, error)
    staged.leave()
  }
}

async function remove(disk: Disk, address: FileAddress): Promise<boolean> {
  try {
    await disk.delete(address)
    return true
  } catch (error) {
    publishLeftover(disk, address, error)
    return false
  }
}

function publishLeftover(disk: Disk, address: FileAddress, error: unknown): void {
  publish('leftover', { backend: address.backend, key: disk.objectKey(address), error })
}
