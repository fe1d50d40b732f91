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
