import type { Request } from 'express'

/** How many files of one form are stored at the same time. */
const AT_ONCE = 8

interface Line {
  busy: number
  readonly waiting: Set<() => void>
}

const lines = new WeakMap<Request, Line>()

/**
 * Stores the files of one form a few at a time. Busboy hands thousands of small files over at once, and each would
 * take memory, a connection to the backend and a line of the ledger: with some hundred kilobytes one client could
 * take those of everybody. A file that waits keeps none of the others waiting: busboy has read them to their end.
 */
export async function inLine<T>(req: Request, store: () => Promise<T>): Promise<T> {
  const line = lines.get(req) ?? { busy: 0, waiting: new Set() }
  lines.set(req, line)
  // Who leaves gives the place to the first who waits, so it stays busy.
  if (line.busy >= AT_ONCE) await new Promise<void>(go => line.waiting.add(go))
  else line.busy++
  try {
    return await store()
  } finally {
    leave(line)
  }
}

function leave(line: Line): void {
  const [next] = line.waiting
  if (next === undefined) {
    line.busy--
    return
  }
  line.waiting.delete(next)
  next()
}
