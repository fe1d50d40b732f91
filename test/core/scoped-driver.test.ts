import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { scopeDriver } from '../../src/core/scoped-driver.js'
import { codeOf, thrownCode } from './errors-of.js'
import { SpyDriver } from './spy-driver.js'

const TEXT = { contentType: 'text/plain' }
const keysOf = async (entries: AsyncIterable<{ key: string }>) => {
  const keys: string[] = []
  for await (const { key } of entries) keys.push(key)
  return keys
}

describe('a scoped driver', () => {
  it('sees its own keys without the prefix, and none of its siblings', async () => {
    const spy = new SpyDriver()
    const [acme, corp, upper] = ['media/acme/', 'media/acme-corp/', 'media/ACME/'].map(prefix =>
      scopeDriver(spy, prefix),
    )
    for (const driver of [acme, corp, upper]) await driver?.put('a.txt', Buffer.from('x'), TEXT)
    await acme?.delete('a.txt')
    expect(await keysOf(acme!.list(''))).toEqual([])
    expect(await keysOf(corp!.list(''))).toEqual(['a.txt'])
    expect(await keysOf(spy.memory.list(''))).toEqual(['media/ACME/a.txt', 'media/acme-corp/a.txt'])
  })

  it.each(['', 'media', 'media/acme'])(
    'is not made for the prefix %j, which has no slash at its end',
    prefix => {
      expect(thrownCode(() => scopeDriver(new SpyDriver(), prefix))).toBe('ERR_KEY_INVALID')
    },
  )

  it.each([
    '..',
    '../acme-corp/a',
    'a/../../acme-corp/a',
    '/etc/passwd',
    '',
    'a//b',
    './a',
    'a\\..\\b',
    'a\u0000',
  ])('refuses the key %j in every method, before the driver is called', async key => {
    const spy = new SpyDriver({ signs: true })
    const driver = scopeDriver(spy, 'media/acme/')
    const body = Readable.from(['x'])
    const attempts: (() => unknown)[] = [
      () => driver.put(key, body, TEXT),
      () => driver.get(key),
      () => driver.head(key),
      () => driver.delete(key),
      () => driver.copy(key, 'to'),
      () => driver.copy('from', key),
      () => driver.signUrl?.(key, { method: 'GET', expiresIn: 60, at: 0 }),
      () => driver.publicUrl?.(key),
      () => keysOf(driver.list(`${key}/`)),
    ]
    expect(await Promise.all(attempts.map(codeOf))).toEqual(attempts.map(() => 'ERR_KEY_INVALID'))
    expect(spy.calls).toEqual([])
    expect(body.destroyed).toBe(true)
  })

  it('refuses a key that is too long only together with its prefix', async () => {
    const driver = scopeDriver(new SpyDriver(), 'media/acme/')
    expect(await codeOf(() => driver.head('x'.repeat(1020)))).toBe('ERR_KEY_INVALID')
  })

  it('refuses a prefix in a listing that does not end with a slash', async () => {
    const spy = new SpyDriver()
    expect(await codeOf(() => keysOf(scopeDriver(spy, 'media/').list('acme')))).toBe('ERR_KEY_INVALID')
    expect(spy.calls).toEqual([])
  })

  it('never calls the driver with a key outside of its prefix', async () => {
    const part = fc.constantFrom('..', '.', '', 'a', 'acme-corp', '%2e%2e', '\\', 'b ', '\u0000', 'é')
    const key = fc.oneof(
      fc.array(part).map(parts => parts.join('/')),
      fc.string({ unit: 'binary' }),
    )
    await fc.assert(
      fc.asyncProperty(key, async text => {
        const spy = new SpyDriver({ signs: true })
        const driver = scopeDriver(spy, 'media/acme/')
        await codeOf(() => driver.put(text, Buffer.from('x'), TEXT))
        await codeOf(() => driver.copy(text, text))
        await codeOf(() => driver.publicUrl?.(text))
        await codeOf(() => keysOf(driver.list(text)))
        for (const seen of spy.keys) {
          expect(seen.startsWith('media/acme/')).toBe(true)
          expect(seen.split('/')).not.toContain('..')
        }
      }),
    )
  })

  it('hands options and results through', async () => {
    const spy = new SpyDriver({ signs: true })
    const driver = scopeDriver(spy, 'media/acme/')
    await driver.put('a.txt', Buffer.from('hello'), { ...TEXT, cacheControl: 'no-store' })
    const { body, info, range } = await driver.get('a.txt', { range: { start: 1, end: 2 } })
    expect([(await buffer(body)).toString(), info.cacheControl, range]).toEqual([
      'el',
      'no-store',
      { start: 1, end: 2 },
    ])
    expect(driver.publicUrl?.('a.txt')).toBe('https://cdn.example/media/acme/a.txt')
    expect(driver.capabilities).toBe(spy.capabilities)
  })

  it('has no signer where the driver has none', () => {
    const driver = scopeDriver(new SpyDriver(), 'media/acme/')
    expect([driver.signUrl, driver.publicUrl]).toEqual([undefined, undefined])
  })

  it('may be scoped again', async () => {
    const spy = new SpyDriver()
    await scopeDriver(scopeDriver(spy, 'media/'), 'acme/').put('a', Buffer.from('x'), TEXT)
    expect(spy.keys).toEqual(['media/acme/a'])
  })
})
