import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until all of them have ended somehow, at most so many milliseconds. */
export async function settledWithin(work: Iterable<Promise<unknown>>, limit: number): Promise<void> {
  const done = new AbortController()
  const late = sleep(limit, undefined, { signal: done.signal }).catch(() => {})
  await Promise.race([Promise.allSettled(work), late])
  done.abort()
}
