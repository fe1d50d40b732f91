/**
 * Takes the rows out of a result, which is empty then. While a database works, the garbage collector moves what waits for
 * the answer to the old generation, and there it would hold all rows of the answer long after they are done with.
 */
export function takeRows(result: readonly Record<string, unknown>[]): Record<string, unknown>[] {
  // Nobody else has the array: it was made for this one answer.
  return (result as Record<string, unknown>[]).splice(0)
}
