import { InvalidArgumentError, Option } from 'commander'
import { StorageError } from '../core/errors.js'
import { assertTenantId, SHARED_TENANT } from '../core/key.js'
import { parseSize } from '../core/size.js'

/** An option with one of these words; the first one is the default. */
export function choice(flags: string, description: string, choices: readonly [string, ...string[]]): Option {
  return new Option(flags, description).choices(choices).default(choices[0])
}

/** A positive whole number. */
export function count(text: string): number {
  const number = wholeNumber(text)
  if (number > 0) return number
  throw new InvalidArgumentError('It is a positive whole number.')
}

/** A tenant, or `shared`. */
export function tenant(text: string): string {
  if (text !== SHARED_TENANT) parsed(() => assertTenantId(text), 'It is the id of a tenant.')
  return text
}

/** Bytes a second: `20mb/s`, or `20mb`. */
export function rate(text: string): number {
  return parsed(() => parseSize(text.replace(/\/s$/i, '')), 'It is a size such as 20mb/s.')
}

/** Days: `30d`, `720h`, or `30`. */
export function days(text: string): number {
  const [, number = '', unit = 'd'] = /^(\d+(?:\.\d+)?)([dh])?$/i.exec(text) ?? []
  if (number === '')
    throw new InvalidArgumentError('It is a number of days such as 30d, or of hours such as 720h.')
  return unit.toLowerCase() === 'h' ? Number(number) / 24 : Number(number)
}

/** A whole number, 0 too. */
export function wholeNumber(text: string): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(number)) return number
  throw new InvalidArgumentError('It is a whole number.')
}

function parsed<T>(parse: () => T, message: string): T {
  try {
    return parse()
  } catch (error) {
    throw StorageError.is(error) ? new InvalidArgumentError(message) : error
  }
}

/** An option that may be given several times. */
export function several(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}

/** `name=value`, several times. */
export function pairs(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, name, value] = /^([^=]+)=(.+)$/.exec(text) ?? []
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError('It is a name and a value with = between them.')
  return { ...before, [name]: value }
}
