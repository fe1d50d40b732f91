import { StorageError, type StorageErrorCode } from '../core/errors.js'

/** The methods of a driver to which something can happen. */
export type ChaosMethod = 'ready' | 'put' | 'get' | 'head' | 'delete' | 'list' | 'copy' | 'copyFrom'

/** What can happen to a call. */
export type ChaosFault =
  /** It fails at once. */
  | { kind: 'error'; code: StorageErrorCode }
  /** It begins so many milliseconds later. */
  | { kind: 'delay'; ms: number }
  /** Nobody answers: it ends with the caller's signal, and after so many milliseconds as `ERR_BACKEND_TIMEOUT`. */
  | { kind: 'hang'; ms: number }
  /**
   * The connection breaks. `get`: its body fails after so many bytes, and at its end at the latest. `put`: so many bytes
   * are taken, and nothing is stored. `list`: after so many entries. The others fail before they begin.
   */
  | { kind: 'cut'; after: number }
  /** The body of `get` ends after so many bytes without an error, as of a file that somebody else cut off. */
  | { kind: 'short'; after: number }
  /** It is done, but its answer gets lost: `ERR_BACKEND_TIMEOUT`. */
  | { kind: 'lose' }

/** When something happens, and what. */
export interface ChaosRule {
  fault: ChaosFault
  /** Default: every method but `ready`. */
  method?: ChaosMethod | readonly ChaosMethod[]
  /** Every n-th call that the rule is for. Default 1. */
  every?: number
  /** A part of the calls by chance, 0 to 1, instead of `every`. */
  rate?: number
  /** How often at most. Default: for ever. */
  times?: number
  /** Only for keys of which this is true; for `list`, prefixes. */
  key?: (key: string) => boolean
}

interface Counted {
  readonly rule: ChaosRule
  calls: number
  happened: number
}

/** Decides what happens to each call. */
export class ChaosSchedule {
  readonly #rules: Counted[]
  readonly #random: () => number

  /** @throws ERR_CONFIG */
  constructor(rules: readonly ChaosRule[], seed: number) {
    for (const rule of rules) assertRule(rule)
    this.#rules = rules.map(rule => ({ rule, calls: 0, happened: 0 }))
    this.#random = randomFrom(seed)
  }

  next(method: ChaosMethod, key: string): ChaosFault | undefined {
    return this.#rules.find(counted => this.#happens(counted, method, key))?.rule.fault
  }

  #happens(counted: Counted, method: ChaosMethod, key: string): boolean {
    const { rule } = counted
    if (!isFor(rule, method) || rule.key?.(key) === false) return false
    counted.calls++
    if (counted.happened >= (rule.times ?? Number.POSITIVE_INFINITY)) return false
    const happens =
      rule.rate === undefined ? counted.calls % (rule.every ?? 1) === 0 : this.#random() < rule.rate
    if (happens) counted.happened++
    return happens
  }
}

function isFor({ method }: ChaosRule, asked: ChaosMethod): boolean {
  if (method === undefined) return asked !== 'ready'
  return typeof method === 'string' ? method === asked : method.includes(asked)
}

function assertRule({ every, rate, times }: ChaosRule): void {
  const isCount = (value: number | undefined) =>
    value === undefined || (Number.isSafeInteger(value) && value > 0)
  if (!isCount(every) || !isCount(times))
    throw new StorageError('ERR_CONFIG', 'every and times of a chaos rule must be positive whole numbers.')
  if (rate !== undefined && (every !== undefined || !(rate >= 0 && rate <= 1)))
    throw new StorageError('ERR_CONFIG', 'The rate of a chaos rule is 0 to 1, and stands in place of every.')
}

/** Numbers from 0 to 1 that follow from a seed: mulberry32, by Tommy Ettinger, in the public domain. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
