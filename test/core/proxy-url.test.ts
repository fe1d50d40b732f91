import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assertObjectKey } from '../../src/core/key.js'
import { ProxyUrls } from '../../src/core/proxy-url.js'
import { thrownCode } from './errors-of.js'

const SECRET = 'a secret of enough length'
const OLD = 'an older one, still verified'
const NOW = Date.UTC(2026, 10, 23)
const urls = new ProxyUrls([SECRET], '/files')
const grant = {
  expires: NOW / 1000 + 60,
  contentType: 'application/pdf',
  contentDisposition: `inline; filename="a.pdf"; filename*=UTF-8''%C3%A9.pdf`,
}
const KEY = 'media/acme/order_files/Prüfung 1+1.pdf'
const tail = urls.sign('local', KEY, grant).slice('/files'.length)
const [path = '', query = ''] = tail.split('?')

const refusal = (text: string, now = NOW, by = urls) => thrownCode(() => by.verify(text, now))

describe('a signed address', () => {
  it('gives back exactly what was signed', () => {
    expect(urls.verify(tail, NOW)).toEqual({ backend: 'local', objectKey: KEY, signed: grant })
  })

  it('for HEAD says so, and is refused as one for every method', () => {
    const forHead = urls.sign('local', KEY, { ...grant, method: 'HEAD' }).slice('/files'.length)
    expect(urls.verify(forHead, NOW).signed).toEqual({ ...grant, method: 'HEAD' })
    expect(refusal(forHead.replace('&method=HEAD', ''))).toBe('ERR_URL_INVALID')
    expect(refusal(forHead.replace('HEAD', 'GET'))).toBe('ERR_URL_INVALID')
    expect(refusal(tail.replace('&signature=', '&method=HEAD&signature='))).toBe('ERR_URL_INVALID')
  })

  it('gives back exactly what was signed, whatever it was', () => {
    const key = fc
      .array(fc.string({ unit: 'binary', minLength: 1, maxLength: 10 }), { minLength: 1, maxLength: 4 })
      .map(segments => segments.join('/'))
      .filter(text => thrownCode(() => assertObjectKey(text)) === 'none')
    const text = fc.option(
      fc.string({ unit: 'binary', maxLength: 20 }).map(t => t.toWellFormed()),
      { nil: undefined },
    )
    const backend = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .map(t => t.toWellFormed())
      .filter(t => !t.includes('/'))
    fc.assert(
      fc.property(
        backend,
        key,
        text,
        text,
        fc.integer({ min: 1, max: 2 ** 33 }),
        (name, objectKey, contentType, contentDisposition, life) => {
          const signed = { expires: NOW / 1000 + life, contentType, contentDisposition }
          expect(urls.verify(urls.sign(name, objectKey, signed).slice('/files'.length), NOW)).toEqual({
            backend: name,
            objectKey,
            signed,
          })
        },
      ),
    )
  })

  it('is the same for the same grant', () => {
    expect(urls.sign('local', KEY, { ...grant })).toBe(`/files${tail}`)
  })

  it('holds no secret', () => {
    expect(tail).not.toContain(encodeURIComponent(SECRET))
    expect(tail).not.toContain(SECRET)
  })

  it('is refused after any change of a single character', () => {
    const replacements = ['a', 'A', '0', '/', '%', '&', '=', '-', '_', '+', ' ', 'é', '\u0000', '\ud800']
    for (let at = 0; at < tail.length; at++) {
      for (const other of replacements) {
        if (tail[at] !== other)
          expect([at, other, refusal(tail.slice(0, at) + other + tail.slice(at + 1))]).toEqual([
            at,
            other,
            'ERR_URL_INVALID',
          ])
      }
      expect(refusal(tail.slice(0, at) + tail.slice(at + 1))).toBe('ERR_URL_INVALID')
    }
  })

  it('is not signed any more when its end is cut off', () => {
    for (let at = 0; at < tail.length; at++) {
      const cut = tail.slice(0, at)
      if (refusal(cut) === 'none') expect(urls.verify(cut, NOW).signed).toBeUndefined()
    }
  })

  it('is refused with a character more, wherever it stands', () => {
    fc.assert(
      fc.property(
        fc.nat(tail.length),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }),
        (at, more) => {
          expect(refusal(tail.slice(0, at) + more + tail.slice(at))).toBe('ERR_URL_INVALID')
        },
      ),
      { numRuns: 1000 },
    )
  })

  it.each<[string, string]>([
    ['its parameters in another order', `${path}?${query.split('&').toReversed().join('&')}`],
    ['a doubled expiry', `${tail}&expires=9999999999`],
    ['a doubled expiry in front', `${path}?expires=9999999999&${query}`],
    ['a doubled signature', `${tail}&${query.split('&').at(-1)}`],
    ['a foreign parameter', `${tail}&tenant=other`],
    ['a trailing ampersand', `${tail}&`],
    [
      'no type',
      `${path}?${query
        .split('&')
        .filter(part => !part.startsWith('type='))
        .join('&')}`,
    ],
    [
      'no disposition',
      `${path}?${query
        .split('&')
        .filter(part => !part.startsWith('disposition='))
        .join('&')}`,
    ],
    ['an empty signature', tail.replace(/signature=.*/, 'signature=')],
    ['no signature', tail.replace(/&signature=.*/, '')],
    ['an expiry written otherwise', tail.replace(`expires=${grant.expires}`, `expires=0${grant.expires}`)],
    ['an expiry in exponents', tail.replace(/expires=\d+/, 'expires=1e12')],
    ['plus signs written as %20', tail.replace('+', '%20')],
    ['a letter that is percent-encoded', tail.replace('media', '%6dedia')],
    ['lower-case percent sequences', tail.replace('%C3', '%c3')],
    ['an encoded slash', tail.replace('/acme', '%2Facme')],
    ['a path that climbs', tail.replace('/acme/', '/other/../acme/')],
    ['an encoded path that climbs', tail.replace('/acme/', '/other/%2e%2e/acme/')],
    ['a doubled slash', tail.replace('/acme/', '//acme/')],
    ['a slash at the end of the path', tail.replace('?', '/?')],
    ['another backend', tail.replace('/local/', '/spaces/')],
    ['another disk', tail.replace('/media/', '/public-media/')],
    ['another tenant', tail.replace('/acme/', '/acme-corp/')],
    ['a tenant in other case', tail.replace('/acme/', '/ACME/')],
    ['a fragment', `${tail}#`],
    ['no path', `?${query}`],
    ['nothing', ''],
    ['an origin in front', `http://evil.example${tail}`],
    ['broken percent sequences', tail.replace('%C3', '%zz')],
    ['half a percent sequence', '/local/media/%C3'],
    ['half a surrogate pair', '/local/media/\ud800'],
  ])('is refused with %s', (_, changed) => {
    expect(changed).not.toBe(tail)
    expect(refusal(changed)).toBe('ERR_URL_INVALID')
  })

  it('never makes verify throw anything but a StorageError', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom(...'/?&=%#2eE0é\ud800') })),
        text => {
          expect(['none', 'ERR_URL_INVALID']).toContain(refusal(text))
          expect(['none', 'ERR_URL_INVALID']).toContain(refusal(`/local/${text}`))
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('is good to the last millisecond of its life, and not longer', () => {
    expect(refusal(tail, grant.expires * 1000 - 1)).toBe('none')
    expect(refusal(tail, grant.expires * 1000)).toBe('ERR_URL_EXPIRED')
  })

  it('that was forged and has expired is called invalid, so that nobody learns which expiry was real', () => {
    expect(refusal(tail.replace('/acme/', '/other/'), grant.expires * 1000)).toBe('ERR_URL_INVALID')
  })

  it('of a storage with another secret is refused', () => {
    expect(refusal(tail, NOW, new ProxyUrls(['another secret of enough length'], '/files'))).toBe(
      'ERR_URL_INVALID',
    )
  })
})

describe('secrets', () => {
  it('may be rotated: the first one signs, all of them verify', () => {
    const oldUrls = new ProxyUrls([OLD], '/files')
    const rotated = new ProxyUrls([SECRET, OLD], '/files')
    const oldTail = oldUrls.sign('local', KEY, grant).slice('/files'.length)
    expect(refusal(oldTail, NOW, rotated)).toBe('none')
    expect(rotated.sign('local', KEY, grant)).toBe(`/files${tail}`)
    expect(refusal(oldTail, NOW, urls)).toBe('ERR_URL_INVALID')
  })

  it.each([
    [[]],
    [['']],
    [['fifteen chars..']],
    [[SECRET, 'short']],
    [[undefined]],
    [[1_234_567_890_123_456]],
    [[null]],
  ])('must have 16 characters each: %j', secrets => {
    expect(thrownCode(() => new ProxyUrls(secrets as string[], '/files'))).toBe('ERR_CONFIG')
  })

  it('that are too short are not repeated in the message', () => {
    expect(() => new ProxyUrls(['hunter2'], '/files')).toThrowError(expect.not.stringContaining('hunter2'))
  })
})

describe('the permanent address of a public file', () => {
  it('is its path below the mount point, and verifies without a signature', () => {
    const address = urls.permanent('local', 'public-media/acme/a b.png')
    expect(address).toBe('/files/local/public-media/acme/a%20b.png')
    expect(urls.verify(address.slice('/files'.length), NOW)).toEqual({
      backend: 'local',
      objectKey: 'public-media/acme/a b.png',
    })
  })

  it.each(['?', '?a=b', '?expires=1', '#', '/'])('is refused with %j behind it', more => {
    expect(refusal(`/local/public-media/acme/a.png${more}`)).toBe('ERR_URL_INVALID')
  })

  it('may lie on another origin', () => {
    expect(
      new ProxyUrls([SECRET], 'https://app.example.com/files//').permanent('local', 'static/a.css'),
    ).toBe('https://app.example.com/files/local/static/a.css')
  })
})
