import { inspect } from 'node:util'
import { StorageError } from './errors.js'

const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1024,
  mb: 1024 ** 2,
  gb: 1024 ** 3,
  tb: 1024 ** 4,
}

/**
 * Reads a size: a number of bytes, or text such as `'20mb'` (units of 1,024, as Express reads them).
 *
 * @returns bytes
 * @throws ERR_CONFIG
 */
export function parseSize(size: number | string): number {
  const bytes = typeof size === 'number' ? size : parseText(size)
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes
  throw new StorageError(
    'ERR_CONFIG',
    `A size is a positive number of bytes or text such as "20mb"; got ${typeof size === 'string' ? JSON.stringify(size) : inspect(size)}.`,
  )
}

function parseText(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?(b|kb|mb|gb|tb)$/i.exec(text)
  if (match === null) return Number.NaN
  const [, number = '', unit = ''] = match
  return Math.floor(Number(number) * (UNITS[unit.toLowerCase()] ?? Number.NaN))
}
