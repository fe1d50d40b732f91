import { DeleteObjectsCommand } from '@aws-sdk/client-s3'
import type { DeleteFailure, OperationOptions } from '../../core/driver.js'
import { StorageError } from '../../core/errors.js'
import type { S3Calls } from './s3-calls.js'
import { toStorageError } from './s3-errors.js'

/** Keys in one request ("DeleteObjects", Amazon S3 API Reference). */
const MAX_KEYS = 1000

/**
 * What XML 1.0 can say (section 2.2 of its specification). A single key that it cannot would make the server refuse the
 * whole request.
 */
const XML_TEXT = /^[\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u

/** Deletes objects by the thousand. A request that fails as a whole fails for each of its keys; the others go on. */
export async function deleteObjects(
  calls: S3Calls,
  keys: readonly string[],
  options: OperationOptions,
  deleteOne: (key: string) => Promise<void>,
): Promise<DeleteFailure[]> {
  const failures: DeleteFailure[] = []
  const sayable = keys.filter(key => XML_TEXT.test(key))
  for (let start = 0; start < sayable.length; start += MAX_KEYS) {
    failures.push(...(await deleteThousand(calls, sayable.slice(start, start + MAX_KEYS), options)))
  }
  for (const key of keys) {
    if (!XML_TEXT.test(key)) failures.push(...(await failureOf(key, deleteOne)))
  }
  return failures
}

async function deleteThousand(
  calls: S3Calls,
  keys: readonly string[],
  { signal }: OperationOptions,
): Promise<DeleteFailure[]> {
  const command = new DeleteObjectsCommand({
    Bucket: calls.bucket,
    Delete: { Quiet: true, Objects: keys.map(Key => ({ Key })) },
  })
  try {
    const call = { operation: 'delete', signal, slow: true }
    const { Errors = [] } = await calls.run(call, http => calls.client.send(command, http))
    return Errors.flatMap(error => toFailure(error, calls.bucket))
  } catch (error) {
    if (!StorageError.is(error)) throw error
    return keys.map(key => ({ key, error }))
  }
}

/** One key's error in an answer that is a success as a whole. */
function toFailure(
  { Key: key, Code: code }: { Key?: string; Code?: string },
  bucket: string,
): DeleteFailure[] {
  if (key === undefined || code === 'NoSuchKey') return []
  // The message may quote what was sent, so the name alone goes on.
  const cause = Object.assign(new Error(`The storage answered ${code}.`), { name: code ?? 'Error' })
  return [{ key, error: toStorageError(cause, { operation: 'delete', key, bucket }) }]
}

async function failureOf(key: string, deleteOne: (key: string) => Promise<void>): Promise<DeleteFailure[]> {
  try {
    await deleteOne(key)
    return []
  } catch (error) {
    if (!StorageError.is(error)) throw error
    return [{ key, error }]
  }
}
