import { StorageError, type StorageErrorCode } from '../../core/errors.js'

const REASONS: Readonly<Record<string, readonly [StorageErrorCode, string]>> = {
  ENOENT: ['ERR_FILE_NOT_FOUND', 'There is no such file.'],
  EISDIR: ['ERR_FILE_NOT_FOUND', 'There is no such file.'],
  ENOTDIR: ['ERR_BACKEND', 'The storage folder is no folder.'],
  ENAMETOOLONG: [
    'ERR_KEY_INVALID',
    'A segment of this key is longer than the file system allows (255 bytes on most).',
  ],
  ELOOP: ['ERR_KEY_INVALID', 'This is not a valid object key: it leads out of the storage.'],
  EEXIST: ['ERR_FILE_EXISTS', 'There is an object under this key already.'],
  ENOSPC: ['ERR_DISK_FULL', 'The disk is full.'],
  EDQUOT: ['ERR_DISK_FULL', 'The disk quota is used up.'],
  EACCES: [
    'ERR_BACKEND_DENIED',
    'The file system denies access: check the owner and mode of the storage folder.',
  ],
  EPERM: [
    'ERR_BACKEND_DENIED',
    'The file system denies access: check the owner and mode of the storage folder.',
  ],
  EROFS: ['ERR_BACKEND_DENIED', 'The file system is read-only.'],
}

/** Turns an error of `node:fs` into the one error class. */
export function fileSystemError(error: unknown, operation: string, key?: string): StorageError {
  if (StorageError.is(error)) return error
  const [code, message] = REASONS[codeOf(error)] ?? ['ERR_BACKEND', 'The file system failed.']
  return new StorageError(code, message, { operation, key, cause: error })
}

/** Where a file and a folder would need the same name. */
export function cannotHold(cause: unknown): StorageError {
  return new StorageError(
    'ERR_KEY_INVALID',
    'This key is also the folder of other files, or a part of it is a file: a file system cannot hold both.',
    { cause },
  )
}

export function notFound(cause?: unknown): StorageError {
  return new StorageError('ERR_FILE_NOT_FOUND', 'There is no such file.', { cause })
}

export function hasCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes(codeOf(error))
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
