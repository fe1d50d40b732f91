import { createHash } from 'node:crypto'
import type { Disk } from '../core/disk.js'
import type { CopiedObject, ObjectInfo } from '../core/driver.js'
import { StorageError } from '../core/errors.js'
import { publish } from '../core/events.js'
import type { FileAddress, StoredFile, StoredFileData } from '../core/stored-file.js'
import { moveBytes } from './move-bytes.js'
import type { MoveContext } from './move-context.js'
import { movedHeaders } from './moved-headers.js'

/** Bytes. A smaller file is read and written in fewer requests than a copy between two buckets takes. */
const WORTH_ASKING = 1024 * 1024
/** Refusals one after the other after which the storage is not asked any more. */
const LIMIT = 3

/**
 * Moves bytes by asking the storage to copy them from bucket to bucket, where it can; otherwise, and whenever that
 * fails, through this process. One for each migration: it remembers that it was refused.
 */
export class ServerCopies {
  /** Disks, and the backends from and to, between which nothing is copied without its bytes coming here. */
  readonly #strangers = new Set<string>()
  #refusals = 0

  /** As {@link moveBytes}, and with its errors. */
  async move(file: StoredFile, target: FileAddress, context: MoveContext): Promise<StoredFileData> {
    const copied = isTold(file, context) ? await this.#copy(file, target, context) : undefined
    if (copied === undefined) return moveBytes(file, target, context)
    if (await isSame(file, target, context)) {
      const { name, size, type, sha256, encoding, storedSize, scan } = file
      return { ...target, name, size, type, sha256, version: copied.version, encoding, storedSize, scan }
    }
    // We made it just now, and it would be in the way. What is wrong with the file, reading it finds out.
    await context.storage.disk(file.disk).delete(target, { signal: context.signal })
    return moveBytes(file, target, context)
  }

  /** @returns undefined where the bytes must come and go */
  async #copy(
    file: StoredFile,
    target: FileAddress,
    context: MoveContext,
  ): Promise<CopiedObject | undefined> {
    const way = [file.disk, file.backend, target.backend].join()
    if (this.#refusals >= LIMIT || this.#strangers.has(way)) return undefined
    try {
      const disk = context.storage.disk(file.disk)
      const info = await disk.head(file, { signal: context.signal })
      if (info.size !== storedSizeOf(file)) return undefined
      const copied = await copyOnServer(disk, { file, info }, target, context)
      if (copied === undefined) this.#strangers.add(way)
      this.#refusals = 0
      return copied
    } catch (error) {
      if (context.signal?.aborted) throw error
      this.#failed(error)
      return undefined
    }
  }

  /** One that fails for something about its file will fail likewise when that is read, and is reported then. */
  #failed(error: unknown): void {
    if (StorageError.is(error) && error.status < 500) return
    if (++this.#refusals !== LIMIT) return
    const message = `The storage does not copy from bucket to bucket, so bytes are read and written from now on: ${String(error)}`
    publish('warning', { code: 'MIGRATION_STREAMED', message })
  }
}

/**
 * Whether the row tells enough of the bytes for a copy to be judged by it: their length, and unless that is all that is
 * asked for, their checksum.
 */
function isTold(file: StoredFile, { verify }: MoveContext): boolean {
  if (storedSizeOf(file) < WORTH_ASKING) return false
  if (file.encoding !== undefined) return verify === 'size' && file.storedSize !== undefined
  return verify === 'size' || file.sha256 !== null
}

function storedSizeOf({ size, storedSize }: StoredFile): number {
  return storedSize ?? size
}

async function copyOnServer(
  disk: Disk,
  { file, info }: { file: StoredFile; info: ObjectInfo },
  target: FileAddress,
  { verify, rate, signal, trace }: MoveContext,
): Promise<CopiedObject | undefined> {
  // Bytes that are read afterwards count then.
  if (verify === 'size') await rate.take(info.size, signal)
  const headers = movedHeaders(disk, file, info)
  trace.begin()
  try {
    const copied = await disk.copyFrom(file, target, { ...headers, size: info.size, signal })
    if (copied === undefined) trace.refused()
    return copied
  } catch (error) {
    if (StorageError.is(error, 'ERR_FILE_EXISTS')) trace.refused()
    throw error
  }
}

/** Whether the copy is what the row tells of: by its length alone, or read to its end. */
async function isSame(
  file: StoredFile,
  target: FileAddress,
  { storage, verify, rate, signal }: MoveContext,
): Promise<boolean> {
  const disk = storage.disk(file.disk)
  if (verify === 'size') return (await disk.head(target, { signal })).size === storedSizeOf(file)
  const { body } = await disk.get(target, { headers: 'known', signal })
  const hash = createHash('sha256')
  for await (const chunk of body) {
    await rate.take(chunk.length, signal)
    hash.update(chunk)
  }
  return hash.digest('hex') === file.sha256
}
