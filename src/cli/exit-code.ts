import { StorageError } from '../core/errors.js'

/** What the command tells the shell. */
export const EXIT = {
  done: 0,
  /** The command ran, and found or left something that is wrong. */
  failed: 1,
  /** The command could not begin: wrong words, or no working set-up. */
  misused: 2,
} as const

/** One of {@link EXIT}. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** A message for the person at the terminal, without a stack. */
export class Misuse extends Error {
  override readonly name = 'Misuse'
}

/** Somebody ended the command before it was done. */
export class Stopped extends Error {
  override readonly name = 'Stopped'
}

/** What an error says, on one line for several that came together; passwords in addresses are left out. */
export function messageOf(error: unknown): string {
  return withoutPasswords(plainMessage(error))
}

/** What is said of an error that ends a command, or one entity's turn in it. */
export function wordsFor(error: unknown): string {
  if (error instanceof Misuse) return error.message
  return StorageError.is(error) ? `${error.code}: ${messageOf(error)}` : stackOf(error)
}

/** An error that nobody expected, with the place where it came from. */
export function stackOf(error: unknown): string {
  const stack = error instanceof Error ? error.stack : undefined
  return stack === undefined ? messageOf(error) : withoutPasswords(stack)
}

function plainMessage(error: unknown): string {
  // Such as that of a connection that was refused on each address of a host; it has no message of its own.
  if (error instanceof AggregateError && error.message === '')
    return error.errors.map(plainMessage).join('; ')
  return error instanceof Error ? error.message : String(error)
}

/** Addresses of databases, for example, with the passwords in them left out. */
export function withoutPasswords(text: string): string {
  return text.replaceAll(/([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s/]+@/gi, '$1:***@')
}
