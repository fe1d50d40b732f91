import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UrlPolicy, type UrlRequest } from '../../src/core/url-policy.js'
import { thrownCode } from './errors-of.js'

const NOW = Date.UTC(2026, 10, 23, 12, 34, 56, 789)
const PDF = { disk: 'media', type: 'application/pdf' }
const WEEK = 604_800

describe('the life of a URL', () => {
  const policy = new UrlPolicy({ expiresIn: 1000, rules: [{ types: ['application/pdf'], expiresIn: 300 }] })

  it('is what the call asks for, before anything else', () => {
    expect(policy.lifeOf(PDF, 500, { expiresIn: 77 }, NOW).expiresIn).toBe(77)
  })

  it('is what the rule says, where the call says nothing', () => {
    expect(policy.lifeOf(PDF, 500, {}, NOW).expiresIn).toBe(300)
  })

  it('is what the disk says, where no rule fits', () => {
    expect(policy.lifeOf({ disk: 'media', type: 'image/png' }, 500, {}, NOW).expiresIn).toBe(500)
  })

  it('is the default of the storage, where the disk says nothing', () => {
    expect(policy.lifeOf({ disk: 'media', type: 'image/png' }, undefined, {}, NOW).expiresIn).toBe(1000)
  })

  it('is an hour where nobody says anything', () => {
    expect(new UrlPolicy().lifeOf(PDF, undefined, {}, NOW).expiresIn).toBe(3600)
  })

  it('is decided by the first rule that fits', () => {
    const rules = [
      { types: ['image/*'], disks: ['public-media'], expiresIn: 1 },
      { types: ['image/*'], expiresIn: 20 },
      { disks: ['media'], expiresIn: 30 },
    ]
    const several = new UrlPolicy({ rules })
    expect(several.lifeOf({ disk: 'media', type: 'image/png' }, undefined, {}, NOW).expiresIn).toBe(20)
    expect(several.lifeOf({ disk: 'media' }, undefined, {}, NOW).expiresIn).toBe(30)
    expect(several.lifeOf({ disk: 'public-media', type: 'image/png' }, undefined, {}, NOW).expiresIn).toBe(1)
    expect(several.lifeOf({ disk: 'other', type: 'text/plain' }, undefined, {}, NOW).expiresIn).toBe(3600)
  })

  it('does not change when the options are changed afterwards', () => {
    const options = { rules: [{ disks: ['media'], expiresIn: 30 }] }
    const kept = new UrlPolicy(options)
    options.rules.unshift({ disks: ['media'], expiresIn: 600_000 })
    expect(kept.lifeOf(PDF, undefined, {}, NOW).expiresIn).toBe(30)
  })

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '60', null])(
    'is refused in the options when it is %j',
    expiresIn => {
      const bad = expiresIn as number
      expect(thrownCode(() => new UrlPolicy({ expiresIn: bad }))).toBe('ERR_CONFIG')
      expect(thrownCode(() => new UrlPolicy({ maxExpiresIn: bad }))).toBe('ERR_CONFIG')
      expect(thrownCode(() => new UrlPolicy({ rules: [{ expiresIn: bad }] }))).toBe('ERR_CONFIG')
    },
  )

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '60'])(
    'is refused in a call when it is %j',
    expiresIn => {
      expect(thrownCode(() => policy.lifeOf(PDF, undefined, { expiresIn: expiresIn as number }, NOW))).toBe(
        'ERR_CONFIG',
      )
    },
  )

  it('takes no rule for a type that is none', () => {
    expect(thrownCode(() => new UrlPolicy({ rules: [{ types: ['pdf'], expiresIn: 60 }] }))).toBe('ERR_CONFIG')
  })
})

describe('the cap', () => {
  const policy = new UrlPolicy({
    expiresIn: 900,
    maxExpiresIn: 600,
    rules: [{ types: ['application/pdf'], expiresIn: 700 }],
  })

  it('shortens what rule, disk and default say', () => {
    expect(policy.lifeOf(PDF, undefined, {}, NOW).expiresIn).toBe(600)
    expect(policy.lifeOf({ disk: 'media' }, 800, {}, NOW).expiresIn).toBe(600)
    expect(policy.lifeOf({ disk: 'media' }, undefined, {}, NOW).expiresIn).toBe(600)
  })

  it('refuses a call that asks for more, and allows one that asks for as much', () => {
    expect(thrownCode(() => policy.lifeOf(PDF, undefined, { expiresIn: 601 }, NOW))).toBe('ERR_CONFIG')
    expect(policy.lifeOf(PDF, undefined, { expiresIn: 600 }, NOW).expiresIn).toBe(600)
  })

  it('is never above seven days, whatever the options say', () => {
    const greedy = new UrlPolicy({ expiresIn: 10 * WEEK, maxExpiresIn: 10 * WEEK })
    expect(greedy.lifeOf(PDF, undefined, {}, NOW).expiresIn).toBe(WEEK)
    expect(thrownCode(() => greedy.lifeOf(PDF, undefined, { expiresIn: WEEK + 1 }, NOW))).toBe('ERR_CONFIG')
  })
})

describe('the window', () => {
  const policy = new UrlPolicy()
  const seconds = fc.integer({ min: 2, max: WEEK })
  const moment = fc.integer({ min: NOW - 1e12, max: NOW + 1e12 })

  it('leaves every URL at least half of its life', () => {
    fc.assert(
      fc.property(seconds, moment, (expiresIn, now) => {
        const { at } = policy.lifeOf(PDF, undefined, { expiresIn }, now)
        expect(at + expiresIn * 1000 - now).toBeGreaterThanOrEqual((expiresIn * 1000) / 2)
        expect(at).toBeLessThanOrEqual(now)
      }),
      { numRuns: 1000 },
    )
  })

  it('gives identical decisions to all moments inside of it', () => {
    fc.assert(
      fc.property(
        seconds,
        moment,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (expiresIn, now, part) => {
          const first = policy.lifeOf(PDF, undefined, { expiresIn }, now)
          const window = Math.max(1, Math.floor(expiresIn / 2)) * 1000
          expect(policy.lifeOf(PDF, undefined, { expiresIn }, first.at + Math.floor(part * window))).toEqual(
            first,
          )
          expect(policy.lifeOf(PDF, undefined, { expiresIn }, first.at + window).at).toBe(first.at + window)
        },
      ),
    )
  })

  it('starts at a whole second, as SigV4 needs it', () => {
    fc.assert(
      fc.property(
        seconds,
        moment,
        (expiresIn, now) => policy.lifeOf(PDF, undefined, { expiresIn }, now).at % 1000 === 0,
      ),
    )
  })

  it('lets nobody keep an answer for longer than the URL has left when it is handed out', () => {
    fc.assert(
      fc.property(seconds, moment, (expiresIn, now) => {
        const { at, maxAge } = policy.lifeOf(PDF, undefined, { expiresIn }, now)
        expect(maxAge).toBeLessThanOrEqual(at / 1000 + expiresIn - now / 1000)
      }),
    )
  })

  it('never hands out a URL that has expired, even for one second', () => {
    fc.assert(
      fc.property(moment, now => policy.lifeOf(PDF, undefined, { expiresIn: 1 }, now).at + 1000 > now),
    )
  })
})

describe('the disposition', () => {
  const policy = new UrlPolicy({
    rules: [{ types: ['application/pdf'], expiresIn: 60, disposition: 'attachment' }],
  })

  it('is what the call asks for, then what the rule says', () => {
    expect(policy.lifeOf(PDF, undefined, { disposition: 'inline' }, NOW).disposition).toBe('inline')
    expect(policy.lifeOf(PDF, undefined, {}, NOW).disposition).toBe('attachment')
    expect(policy.lifeOf({ disk: 'media' }, undefined, {}, NOW).disposition).toBeUndefined()
  })

  it.each(['attachment\r\nX-Evil: 1', 'INLINE', '', 'form-data', 7])(
    'is refused when it is %j',
    disposition => {
      const request = { disposition } as UrlRequest
      expect(thrownCode(() => policy.lifeOf(PDF, undefined, request, NOW))).toBe('ERR_CONFIG')
      expect(thrownCode(() => new UrlPolicy({ rules: [{ expiresIn: 60, ...request }] }))).toBe('ERR_CONFIG')
    },
  )
})
