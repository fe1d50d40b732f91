import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { StorageError } from '../../src/core/errors.js'
import { scopeDriver } from '../../src/core/scoped-driver.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
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

  it('lets go of the body whose key it refuses', async () => {
    const body = Readable.from(['x'])
    const put = () => scopeDriver(new SpyDriver(), 'media/acme/').put('..', body, TEXT)
    expect(await codeOf(put)).toBe('ERR_KEY_INVALID')
    expect(body.destroyed).toBe(true)
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

  it('gives keys back as the caller knows them, also those of failures and of uploads', async () => {
    const spy = new SpyDriver()
    const driver = scopeDriver(spy, 'media/acme/')
    const error = new StorageError('ERR_BACKEND', 'no')
    spy.deleteMany = async keys => keys.map(key => ({ key, error }))
    expect(await driver.deleteMany?.(['a.txt'])).toEqual([{ key: 'a.txt', error }])
    await spy.memory.put('media/acme/b/c.bin', Buffer.from('x'), TEXT)
    await spy.memory.put('media/acme-corp/b/c.bin', Buffer.from('x'), TEXT)
    const uploads = []
    for await (const upload of driver.listUploads?.('b/') ?? []) uploads.push(upload)
    expect(uploads).toEqual([{ key: 'b/c.bin', id: 'an upload' }])
  })

  it('has no group of methods that the driver does not have', () => {
    const driver = scopeDriver(new MemoryDriver(), 'media/acme/')
    expect([driver.deleteMany, driver.listUploads, driver.abortUpload]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
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
