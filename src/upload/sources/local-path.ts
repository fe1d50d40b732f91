import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import path from 'node:path'
import { StorageError } from '../../core/errors.js'
import type { OpenedSource } from './opened-source.js'

/** A file of this machine. Never build the path from what a client sends. */
export interface LocalPath {
  readonly path: string
}

// A pipe that somebody put there is not waited for; Windows does not know the flag.
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

/** @throws ERR_SOURCE_FAILED for what cannot be opened and for what is no plain file */
export async function openPath({ path: file }: LocalPath): Promise<OpenedSource> {
  let handle: FileHandle | undefined
  try {
    handle = await open(file, FLAGS)
    const stats = await handle.stat()
    if (!stats.isFile()) throw new Error('it is no plain file')
    return { source: handle.createReadStream(), name: path.basename(file), size: stats.size }
  } catch (cause) {
    await handle?.close()
    throw new StorageError('ERR_SOURCE_FAILED', 'The file to be stored cannot be read from this machine.', {
      operation: 'storeFile',
      cause,
    })
  }
}
