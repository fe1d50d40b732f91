import { StorageError } from '../core/errors.js'

/** Loads a room that needs a package which the application may not have. @throws ERR_PEER_MISSING */
export async function withPeer<T>(peer: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    const isMissing =
      cause instanceof Error &&
      'code' in cause &&
      cause.code === 'ERR_MODULE_NOT_FOUND' &&
      cause.message.includes(peer)
    if (!isMissing) throw cause
    throw new StorageError(
      'ERR_PEER_MISSING',
      `This storage backend needs the package ${peer}: npm install ${peer}`,
      { cause },
    )
  }
}
