import { untilAborted } from '../../core/abort.js'
import type { Driver } from '../../core/driver.js'
import { inLanes } from '../../core/in-lanes.js'
import type { Storage } from '../../core/storage.js'
import { endUploads } from './end-uploads.js'
import { groupBy } from './group-by.js'
import { type Failures, type RemoveOptions, toFailure } from './removal.js'
import type { TakenLine } from './taken-lines.js'

/**
 * Deletes the objects of lines that were taken up, and ends uploads in parts to their keys. Everything may be done twice:
 * an object or upload that is gone is no failure. Never rejects.
 */
export async function removeObjects(
  storage: Storage,
  lines: readonly TakenLine[],
  options: RemoveOptions,
): Promise<Failures> {
  const failures: Failures = new Map()
  const byBackend = groupBy(lines, ({ backend }) => backend)
  const removals = [...byBackend].map(([backend, own]) => remove(storage, backend, own, options, failures))
  await Promise.all(removals)
  return failures
}

async function remove(
  storage: Storage,
  backend: string,
  lines: readonly TakenLine[],
  options: RemoveOptions,
  failures: Failures,
): Promise<void> {
  try {
    const driver = await untilAborted(storage.openForMaintenance(backend, 'write'), options.signal)
    // Before the object goes: an upload that somebody completes in between makes a new one.
    await endUploads(driver, lines, options, failures)
    const ended = lines.filter(line => !failures.has(line))
    if (driver.deleteMany === undefined) await deleteEach(driver, ended, options, failures)
    else await deleteTogether(driver, ended, options, failures)
    const deleted = ended.filter(line => !failures.has(line))
    await inLanes(deleted, options.concurrency, line => purge(storage, line))
  } catch (cause) {
    for (const line of lines) if (!failures.has(line)) failures.set(line, toFailure(cause, line))
  }
}

async function deleteEach(
  driver: Driver,
  lines: readonly TakenLine[],
  { concurrency, signal }: RemoveOptions,
  failures: Failures,
): Promise<void> {
  await inLanes(lines, concurrency, async line => {
    try {
      await untilAborted(driver.delete(line.objectKey, { signal }), signal)
    } catch (cause) {
      failures.set(line, toFailure(cause, line))
    }
  })
}

async function deleteTogether(
  driver: Driver,
  lines: readonly TakenLine[],
  { signal }: RemoveOptions,
  failures: Failures,
): Promise<void> {
  if (lines.length === 0) return
  const lineOf = new Map(lines.map(line => [line.objectKey, line]))
  const deleting = driver.deleteMany?.([...lineOf.keys()], { signal }) ?? Promise.resolve([])
  const failed = await untilAborted(deleting, signal)
  for (const { key, error } of failed) {
    const line = lineOf.get(key)
    if (line !== undefined) failures.set(line, error)
  }
}

async function purge(storage: Storage, { disk, backend, objectKey }: TakenLine): Promise<void> {
  // A disk that was taken out of the set-up has no CDN any more.
  if (storage.diskNames.includes(disk)) await storage.disk(disk).purge(backend, objectKey)
}
