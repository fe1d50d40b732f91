import { describe, expect, it } from 'vitest'
import { resolveCallLimits } from '../../src/core/call-limits.js'
import { mayPass, parseRetryAfter, pauseAfter, RetryBudget } from '../../src/core/retry.js'

describe('Retry-After', () => {
  const now = Date.parse('2026-11-25T12:00:00Z')
  it.each([
    ['0', 0],
    ['120', 120_000],
    ['Wed, 25 Nov 2026 12:00:30 GMT', 30_000],
    ['Wed, 25 Nov 2026 11:00:00 GMT', 0],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j is %s ms', (header, ms) => expect(parseRetryAfter(header, now)).toBe(ms))
})

describe('a pause', () => {
  const limits = { retryDelay: 100, maxRetryDelay: 1_000 }
  const pauses = (attempt: number, asked?: number) =>
    Array.from({ length: 200 }, () => pauseAfter(attempt, limits, asked))

  it.each([
    [1, 50, 100],
    [2, 100, 200],
    [4, 400, 800],
    [9, 1_000, 1_000],
  ])('after try %d is %d to %d ms', (attempt, least, most) => {
    expect(Math.min(...pauses(attempt))).toBeGreaterThanOrEqual(least)
    expect(Math.max(...pauses(attempt))).toBeLessThanOrEqual(most)
  })

  it('has jitter, so that clients do not come back all at once', () => {
    expect(new Set(pauses(1)).size).toBeGreaterThan(50)
  })

  it('is as long as the backend asks, within the limit', () => {
    expect(pauseAfter(1, limits, 700)).toBe(700)
    expect(pauseAfter(1, limits, 3_600_000)).toBe(1_000)
  })
})

describe('a budget', () => {
  const spend = (budget: RetryBudget, after: 'answer' | 'timeout') => {
    let tries = 0
    while (budget.take(after) !== undefined) tries++
    return tries
  }

  it('pays for so many further tries, and half of them after time-outs', () => {
    expect(spend(new RetryBudget(10), 'answer')).toBe(10)
    expect(spend(new RetryBudget(10), 'timeout')).toBe(5)
    expect(spend(new RetryBudget(0), 'answer')).toBe(0)
  })

  it('gets back what a try cost that succeeded, and a little for every first one', () => {
    const budget = new RetryBudget(10)
    const paid = budget.take('timeout')
    budget.succeeded(paid)
    expect(spend(budget, 'answer')).toBe(10)
    for (let success = 0; success < 15; success++) budget.succeeded()
    expect(spend(budget, 'answer')).toBe(3)
  })

  it('never holds more than it began with', () => {
    const budget = new RetryBudget(2)
    for (let success = 0; success < 100; success++) budget.succeeded()
    expect(spend(budget, 'answer')).toBe(2)
  })
})

it.each([
  [{ status: 503 }, true],
  [{ status: 429 }, true],
  [{ status: 501 }, false],
  [{ status: 404 }, false],
  [{ status: 403, code: 'ECONNRESET' }, false],
  [{ code: 'ECONNRESET' }, true],
  [{ code: 'ENOTFOUND' }, false],
  [{ code: 'CERT_HAS_EXPIRED' }, false],
  [{}, false],
])('whether %j may pass: %s', (failure, expected) => expect(mayPass(failure)).toBe(expected))

describe('the limits of a driver', () => {
  it('have defaults', () => {
    expect(resolveCallLimits({})).toEqual({
      connectTimeout: 5_000,
      requestTimeout: 30_000,
      idleTimeout: 30_000,
      maxAttempts: 3,
      retryDelay: 200,
      maxRetryDelay: 5_000,
      retryBudget: 100,
    })
  })

  it.each([
    { connectTimeout: 0 },
    { requestTimeout: -1 },
    { idleTimeout: 1.5 },
    { maxAttempts: 0 },
    { retryDelay: Number.NaN },
    { maxRetryDelay: Number.POSITIVE_INFINITY },
    { retryBudget: -1 },
    { retryBudget: 0.5 },
  ])('refuse %j', options => {
    expect(() => resolveCallLimits(options)).toThrow(
      expect.objectContaining({
        code: 'ERR_CONFIG',
        message: expect.stringContaining(Object.keys(options)[0] ?? ''),
      }),
    )
  })
})
