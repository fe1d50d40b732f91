import { close, open, read } from 'node:fs'
import { promisify } from 'node:util'
import { StorageError } from '../../core/errors.js'

// Plain descriptors instead of FileHandles, and callbacks below: per request they cost less than half of the CPU
// (test/bench/serve.bench.mjs).
export const openFile = promisify(open)
const readFile = promisify(read)

/** Closes an open file; there is nothing to wait for, and nothing to do where it fails. */
export function closeFile(file: number): void {
  close(file, () => {})
}

/** Fills `into` with the bytes of a file that begin at `start`. @throws ERR_FILE_CHANGED where the file ends before */
export async function readPart(file: number, into: Uint8Array, start: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await readFile(file, into, done, into.length - done, start + done)
    if (bytesRead === 0)
      throw new StorageError('ERR_FILE_CHANGED', 'The file became shorter while it was read.')
    done += bytesRead
  }
}
