import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DOCUMENTS_FOR_A_DAY, UrlPolicy, type UrlRequest, type UrlRule } from '../../src/core/url-policy.js'
import { thrownCode } from './errors-of.js'

const NOW = Date.UTC(2026, 10, 23, 12, 34, 56, 789)
const PDF = { disk: 'media', tenant: 'acme', type: 'application/pdf' }
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
    expect(policy.lifeOf({ disk: 'media', tenant: 'acme', type: 'image/png' }, 500, {}, NOW).expiresIn).toBe(
      500,
    )
  })

  it('is the default of the storage, where the disk says nothing', () => {
    expect(
      policy.lifeOf({ disk: 'media', tenant: 'acme', type: 'image/png' }, undefined, {}, NOW).expiresIn,
    ).toBe(1000)
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
    expect(
      several.lifeOf({ disk: 'media', tenant: 'acme', type: 'image/png' }, undefined, {}, NOW).expiresIn,
    ).toBe(20)
    expect(several.lifeOf({ disk: 'media', tenant: 'acme' }, undefined, {}, NOW).expiresIn).toBe(30)
    expect(
      several.lifeOf({ disk: 'public-media', tenant: 'acme', type: 'image/png' }, undefined, {}, NOW)
        .expiresIn,
    ).toBe(1)
    expect(
      several.lifeOf({ disk: 'other', tenant: 'acme', type: 'text/plain' }, undefined, {}, NOW).expiresIn,
    ).toBe(3600)
  })

  it('is what the column says, before rule and disk, and after the call', () => {
    const column = { field: 'OrderFile.file', expiresIn: 120 }
    expect(policy.lifeOf({ ...PDF, column }, 500, {}, NOW).expiresIn).toBe(120)
    expect(policy.lifeOf({ ...PDF, column }, 500, { expiresIn: 7 }, NOW).expiresIn).toBe(7)
    expect(policy.lifeOf({ ...PDF, column: { field: 'OrderFile.file' } }, 500, {}, NOW).expiresIn).toBe(300)
  })

  it('may depend on the extension of the name and on the field, both with everything else that a rule names', () => {
    const rules = [
      { extensions: ['pdf'], fields: ['Invoice.pdf'], expiresIn: 10 },
      { extensions: ['pdf', 'doc'], expiresIn: 20 },
      { fields: ['Invoice.scan'], expiresIn: 30 },
    ]
    const several = new UrlPolicy({ rules })
    const life = (name: string | undefined, field?: string) =>
      several.lifeOf({ disk: 'media', tenant: 'acme', name, column: { field } }, undefined, {}, NOW).expiresIn
    expect(life('a.pdf', 'Invoice.pdf')).toBe(10)
    expect(life('a.PDF', 'Invoice.scan')).toBe(20)
    expect(life('a.b.doc')).toBe(20)
    expect(life('pdf', 'Invoice.scan')).toBe(20)
    expect(life('a.png', 'Invoice.scan')).toBe(30)
    expect(life(undefined, 'Invoice.pdf')).toBe(3600)
  })

  it('of documents is a day, where the preset is on, and an hour where it is not', () => {
    const preset = new UrlPolicy({ rules: [DOCUMENTS_FOR_A_DAY] })
    const docx = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'
    for (const type of ['application/pdf', 'application/msword', docx]) {
      const file = { disk: 'media', tenant: 'acme', type }
      expect(preset.lifeOf(file, undefined, {}, NOW).expiresIn).toBe(86_400)
      expect(new UrlPolicy().lifeOf(file, undefined, {}, NOW).expiresIn).toBe(3600)
    }
    expect(preset.lifeOf({ ...PDF, type: 'image/png' }, undefined, {}, NOW).expiresIn).toBe(3600)
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

  it.each([
    { types: ['pdf'] },
    { extensions: ['.pdf'] },
    { extensions: ['PDF'] },
    { fields: ['file'] },
    { fields: ['Order file'] },
    { extensions: [7] },
  ])('takes no rule that can never fit: %j', rule => {
    const rules = [{ ...rule, expiresIn: 60 }] as UrlRule[]
    expect(thrownCode(() => new UrlPolicy({ rules }))).toBe('ERR_CONFIG')
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
    expect(policy.lifeOf({ disk: 'media', tenant: 'acme' }, 800, {}, NOW).expiresIn).toBe(600)
    expect(policy.lifeOf({ disk: 'media', tenant: 'acme' }, undefined, {}, NOW).expiresIn).toBe(600)
  })

  it('refuses a call that asks for more, and allows one that asks for as much', () => {
    expect(thrownCode(() => policy.lifeOf(PDF, undefined, { expiresIn: 601 }, NOW))).toBe('ERR_CONFIG')
    expect(policy.lifeOf(PDF, undefined, { expiresIn: 600 }, NOW).expiresIn).toBe(600)
  })

  it('may be one of each tenant', () => {
    const policy = new UrlPolicy({ maxExpiresIn: tenant => (tenant === 'acme' ? 60 : 10 * WEEK) })
    const life = (tenant: string | null, request: UrlRequest = {}) =>
      policy.lifeOf({ disk: 'media', tenant }, undefined, request, NOW).expiresIn
    expect(life('acme')).toBe(60)
    expect(thrownCode(() => life('acme', { expiresIn: 61 }))).toBe('ERR_CONFIG')
    expect(life('globex')).toBe(3600)
    expect(life(null, { expiresIn: WEEK })).toBe(WEEK)
    expect(thrownCode(() => life('globex', { expiresIn: WEEK + 1 }))).toBe('ERR_CONFIG')
  })

  it.each([0, -1, Number.NaN, undefined, '60'])('of a tenant is refused when it is %j', cap => {
    const policy = new UrlPolicy({ maxExpiresIn: () => cap as number })
    expect(thrownCode(() => policy.lifeOf(PDF, undefined, {}, NOW))).toBe('ERR_CONFIG')
  })

  it('is what is left of the credentials, counted from the start of the window', () => {
    const policy = new UrlPolicy()
    const end = NOW + 600_000
    const left = { signableFor: (at: number) => Math.floor((end - at) / 1000) }
    const { at, expiresIn, maxAge } = policy.lifeOf(PDF, undefined, {}, NOW, left)
    expect(at + expiresIn * 1000).toBeLessThanOrEqual(end)
    expect(at + expiresIn * 1000).toBeGreaterThan(end - 1000)
    expect(maxAge).toBe(Math.max(0, expiresIn - 1800))
    for (const later of [1, 1000, 60_000])
      expect(policy.lifeOf(PDF, undefined, {}, NOW + later, left)).toMatchObject({ at, expiresIn, maxAge })
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
    expect(policy.lifeOf({ disk: 'media', tenant: 'acme' }, undefined, {}, NOW).disposition).toBeUndefined()
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
