import { AssertionError } from 'node:assert'
import { called } from './callers.js'
import type { IsolationCaller } from './options.js'

const SHOWN = 3

/** What is wrong, one sentence each; the callers to whom it happened are gathered behind it. */
export class Findings {
  readonly #found = new Map<string, Set<string>>()

  /** @param sentence without its end; with a caller it goes on with them */
  add(sentence: string, caller?: IsolationCaller): void {
    const callers = this.#found.get(sentence) ?? new Set()
    if (caller !== undefined) callers.add(called(caller))
    this.#found.set(sentence, callers)
  }

  /** @throws AssertionError that lists all of them */
  assertNone(): void {
    if (this.#found.size === 0) return
    const lines = [...this.#found].map(([sentence, callers]) => `  - ${whole(sentence, [...callers])}`)
    const count = lines.length === 1 ? '1 violation' : `${lines.length} violations`
    throw new AssertionError({
      message: `The tenants are not apart: ${count}.\n${lines.join('\n')}`,
      stackStartFn: this.assertNone,
    })
  }
}

function whole(sentence: string, callers: readonly string[]): string {
  if (callers.length === 0) return `${sentence}.`
  const more = callers.length > SHOWN ? [`${callers.length - SHOWN} more`] : []
  return `${sentence} ${[...callers.slice(0, SHOWN), ...more].join('; ')}.`
}
