import { setTimeout as sleep } from 'node:timers/promises'
import type { BlobBeginCopyFromURLOptions, BlobClient } from '@azure/storage-blob'
import { throwIfAborted } from '../../core/abort.js'
import type { BackendCall } from '../../core/backend-calls.js'
import type { CopyOptions } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import type { AzureCalls } from './azure-calls.js'

/** Milliseconds between two looks at a copy that takes its time. */
const POLL_EVERY = 1_000
/** How many times the limit of one request a copy may take. */
const PATIENCE = 10
/** Milliseconds for each request that tidies up. */
const TIDY_TIME = 5_000

/**
 * Copies on the server, and waits until the copy is whole. Inside of one account Azure normally answers when it is
 * done; it may also go on in the background ("Copy Blob", Azure REST API). Then the target is an empty blob until
 * the end, so a copy that fails or is given up is taken back.
 */
export async function copyBlob(
  calls: AzureCalls,
  from: string,
  to: string,
  { signal, storageClass }: CopyOptions,
): Promise<void> {
  const target = calls.client.getBlobClient(to)
  // The source is of the same container and needs no authorization of its own; a client's SAS is in its URL.
  const source = calls.client.getBlobClient(from).url
  const call = { operation: 'copy', key: from, signal, slow: true }
  const copyId = await calls.run(call, abortSignal =>
    beginCopy(target, source, { abortSignal, tier: storageClass }),
  )
  if (copyId !== undefined) await finishCopy(calls, target, copyId, call)
}

/** @returns the id of a copy that goes on in the background; undefined for one that is whole */
export async function beginCopy(
  target: BlobClient,
  source: string,
  options: BlobBeginCopyFromURLOptions,
): Promise<string | undefined> {
  const poller = await target.beginCopyFromURL(source, options)
  return poller.isDone() ? undefined : copyIdOf(poller.getOperationState())
}

/** Waits until a copy in the background is whole; takes it back where it fails, or is given up. */
export async function finishCopy(
  calls: AzureCalls,
  target: BlobClient,
  copyId: string,
  place: Pick<BackendCall, 'operation' | 'key' | 'signal'>,
): Promise<void> {
  try {
    await untilCopied(calls, target, place)
  } catch (error) {
    await takeBack(calls, target, copyId)
    throw error
  }
}

async function untilCopied(
  calls: AzureCalls,
  target: BlobClient,
  { operation, key, signal }: Pick<BackendCall, 'operation' | 'key' | 'signal'>,
): Promise<void> {
  const place = { operation, key }
  for (const end = Date.now() + calls.limits.requestTimeout * PATIENCE; Date.now() < end; ) {
    await sleep(POLL_EVERY, undefined, { signal }).catch(() => throwIfAborted(signal))
    const { copyStatus } = await calls.run({ ...place, signal }, abortSignal =>
      target.getProperties({ abortSignal }),
    )
    if (copyStatus === 'success') return
    if (copyStatus !== 'pending')
      throw new StorageError('ERR_BACKEND', `The storage gave up copying (${copyStatus}).`, place)
  }
  throw new StorageError('ERR_BACKEND_TIMEOUT', 'The storage did not end the copy in time.', place)
}

/** Best effort, and only where the blob is still what that copy left. */
async function takeBack(calls: AzureCalls, target: BlobClient, copyId: string): Promise<void> {
  const call = { operation: 'copy', within: TIDY_TIME }
  await calls.run(call, abortSignal => target.abortCopyFromURL(copyId, { abortSignal })).catch(() => {})
  const left = await calls
    .run(call, abortSignal => target.getProperties({ abortSignal }))
    .catch(() => undefined)
  if (left === undefined || left.copyId !== copyId || left.copyStatus === 'success') return
  const conditions = { ifMatch: left.etag }
  await calls.run(call, abortSignal => target.delete({ abortSignal, conditions })).catch(() => {})
}

/** The SDK's type of the state leaves the id out. */
function copyIdOf(state: object): string | undefined {
  return 'copyId' in state && typeof state.copyId === 'string' ? state.copyId : undefined
}
