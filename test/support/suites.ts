/**
 * The quick suite (`npm test`) asks once what the full suite (`npm run test:full`) asks in every way there is. Which
 * part a run is of, vitest.config.ts says; it runs every file that asks here in the full suite too.
 */
const PART = process.env.TEST_PART

/**
 * Of all ways to ask the same, those of this run: `first` in the quick suite, all in the full suite, and the others
 * where the quick suite ran just before.
 */
export function waysOf<T>(first: readonly T[], others: readonly T[]): readonly T[] {
  if (PART === 'quick') return first
  return PART === 'rest' ? others : [...first, ...others]
}

/** What the quick suite takes, and what the full one: mostly how often they do the same. */
export function bySuite<T>({ quick, full }: { quick: T; full: T }): T {
  return PART === 'quick' ? quick : full
}
