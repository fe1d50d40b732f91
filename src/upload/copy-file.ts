import { randomUUID } from 'node:crypto'
import type { Disk } from '../core/disk.js'
import { StorageError } from '../core/errors.js'
import { publish } from '../core/events.js'
import { newFileKey } from '../core/key.js'
import type { StagedUpload } from '../core/ledger.js'
import { maxSizeFor } from '../core/max-size.js'
import { type FileRules, type ResolvedRules, resolveRules } from '../core/rules.js'
import type { Storage } from '../core/storage.js'
import { type FileAddress, mintStoredFile, type StoredFile } from '../core/stored-file.js'
import { assertAccepted } from './accepted.js'
import { tooLarge } from './content.js'
import { abandon, putBetweenLines } from './staged-put.js'
import { storeFile } from './store-file.js'

/** What else {@link copyFile} should know. */
export interface CopyFileOptions {
  /** Ends the copying early; the ledger sees to what the backend has made of it. */
  signal?: AbortSignal
}

/**
 * Makes a new file of the same tenant from one that is stored, for a second row: two rows never share one object, since
 * the end of one would take the other's bytes. On one disk the backend copies, and no bytes come through this process;
 * a copy for a column of another disk is read and stored as an upload. Until a row with it is saved it belongs to nobody.
 *
 * @param rules of the column that the copy is for. Default: disk and folder of the file
 * @throws ERR_TENANT_REQUIRED, ERR_TENANT_MISMATCH, ERR_FILE_NOT_FOUND, ERR_FILE_TYPE, ERR_FILE_TOO_LARGE, the
 *   backend's and the ledger's errors
 * @example
 * const draft = await orders.findOneByOrFail({ id })
 * await orders.save({ title: 'again', file: await copyFile(storage, draft.file) })
 */
export async function copyFile(
  storage: Storage,
  file: StoredFile,
  rules?: FileRules,
  { signal }: CopyFileOptions = {},
): Promise<StoredFile> {
  const disk = storage.disk(file.disk)
  const source = disk.address(file, 'copy')
  const target = rules === undefined ? undefined : resolveRules(rules)
  if (target !== undefined && target.disk !== file.disk)
    return storeFile(storage, await file.stream(), target, { name: file.name, signal })
  if (target !== undefined) await assertFits(storage, target, file, signal)
  const folder = target?.folder ?? file.key.slice(0, file.key.lastIndexOf('/'))
  const address = { ...source, key: newFileKey(folder, randomUUID(), extensionOf(file.key)) }
  const size = await copyStaged(storage, disk, file, address, signal)
  const { name, type, sha256, encoding, storedSize, scan } = file
  publish('upload', { ...address, size, type })
  const facts = { name, size, type, sha256, encoding, storedSize, scan }
  return mintStoredFile({ home: storage, column: target }, { ...address, ...facts })
}

/** @returns the size of the copy, in bytes: of a file from an old column nobody knows it before */
async function copyStaged(
  storage: Storage,
  disk: Disk,
  file: StoredFile,
  address: FileAddress,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { size } = await disk.head(file, { signal })
  const options = { atMost: size, signal, sizeOf: () => size }
  return putBetweenLines(storage, disk, address, options, async staged => {
    await copy(disk, file, address, staged, signal)
    return size
  })
}

async function copy(
  disk: Disk,
  file: StoredFile,
  address: FileAddress,
  staged: StagedUpload,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await disk.copy(file, address.key, { signal })
  } catch (error) {
    // Where the source is gone nothing was made. Otherwise nobody knows: the line stays until its lease is over.
    if (StorageError.is(error, 'ERR_FILE_NOT_FOUND')) await abandon(staged, disk, address)
    else staged.leave()
    throw error
  }
}

/** As an upload would be judged, by what is known of the file. */
async function assertFits(
  storage: Storage,
  rules: ResolvedRules,
  file: StoredFile,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  const { tenant, size, type, name } = file
  assertAccepted(rules, type, { size }, { name })
  const of = { tenant, field: rules.field }
  const maxSize = await maxSizeFor(rules.maxSize, of, { timeout: storage.uploads.maxSizeTimeout, signal })
  if (size > maxSize) throw tooLarge(maxSize)
}

function extensionOf(key: string): string {
  return key.slice(key.lastIndexOf('.') + 1)
}
