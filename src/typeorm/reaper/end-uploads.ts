import { untilAborted } from '../../core/abort.js'
import type { Driver } from '../../core/driver.js'
import { inLanes } from '../../core/in-lanes.js'
import { groupBy } from './group-by.js'
import { type Failures, type RemoveOptions, toFailure } from './removal.js'
import type { TakenLine } from './taken-lines.js'

/**
 * Ends the uploads in parts of lines that never became complete. Where no id was noted (the process died just before, or
 * the storage began the upload after it was given up on), the open uploads of the key's folder are looked through.
 */
export async function endUploads(
  driver: Driver,
  lines: readonly TakenLine[],
  options: RemoveOptions,
  failures: Failures,
): Promise<void> {
  if (driver.abortUpload === undefined) return
  const incomplete = lines.filter(({ mayBeInParts }) => mayBeInParts)
  const known = incomplete.flatMap(line => (line.uploadId === undefined ? [] : [{ line, id: line.uploadId }]))
  const unknown = incomplete.filter(({ uploadId }) => uploadId === undefined)
  const found = await findUploads(driver, unknown, options, failures)
  await inLanes([...known, ...found], options.concurrency, async ({ line, id }) => {
    try {
      const { signal } = options
      await untilAborted(driver.abortUpload?.(line.objectKey, id, { signal }) ?? Promise.resolve(), signal)
    } catch (cause) {
      failures.set(line, toFailure(cause, line))
    }
  })
}

interface FoundUpload {
  readonly line: TakenLine
  readonly id: string
}

async function findUploads(
  driver: Driver,
  lines: readonly TakenLine[],
  { concurrency, signal }: RemoveOptions,
  failures: Failures,
): Promise<FoundUpload[]> {
  if (driver.listUploads === undefined) return []
  const found: FoundUpload[] = []
  const folders = [...groupBy(lines, ({ objectKey }) => folderOf(objectKey))]
  await inLanes(folders, concurrency, async ([folder, inside]) => {
    const lineOf = new Map(inside.map(line => [line.objectKey, line]))
    try {
      for await (const { key, id } of driver.listUploads?.(folder, { signal }) ?? []) {
        const line = lineOf.get(key)
        if (line !== undefined) found.push({ line, id })
      }
    } catch (cause) {
      for (const line of inside) failures.set(line, toFailure(cause, line))
    }
  })
  return found
}

/** What a listing takes: it is empty or ends with a slash. */
function folderOf(objectKey: string): string {
  return objectKey.slice(0, objectKey.lastIndexOf('/') + 1)
}
