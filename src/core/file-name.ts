import { StorageError } from './errors.js'

const MAX_LENGTH = 255

// Control characters split headers and log lines; the bidirectional overrides and isolates make "gnp.exe" look
// like "exe.png" (Unicode Technical Report 36, section 2.10.5). The plain marks U+200E and U+200F stay: names in
// Hebrew and Arabic need them.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what is refused
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/

/**
 * Checks the name a file came with. It lives in the database and in Content-Disposition only, never in a key.
 *
 * @throws ERR_FILE_NAME for an empty name, one over 255 characters, a path, control characters, bidirectional
 *   overrides or broken Unicode
 */
export function assertFileName(name: unknown): asserts name is string {
  const fault = nameFault(name)
  if (fault !== undefined)
    throw new StorageError('ERR_FILE_NAME', `This file name is not accepted: ${fault}. Rename the file.`)
}

function nameFault(name: unknown): string | undefined {
  if (typeof name !== 'string' || name.trim() === '') return 'it is empty'
  if (name.length > MAX_LENGTH) return `it is longer than ${MAX_LENGTH} characters`
  if (!name.isWellFormed()) return 'it holds half a surrogate pair'
  if (UNSAFE.test(name)) return 'it holds control characters or direction overrides'
  if (/[/\\]/.test(name) || name === '.' || name === '..') return 'it is a path'
  return undefined
}
