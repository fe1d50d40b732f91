import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StorageError } from '../../../src/core/errors.js'
import { isObjectKey } from '../../../src/core/key.js'
import { MemoryDriver } from '../../../src/drivers/memory/index.js'

const TEXT = { contentType: 'text/plain' }
const codeOf = async (run: () => unknown) => {
  try {
    await run()
    return 'none'
  } catch (error) {
    return StorageError.is(error) ? error.code : String(error)
  }
}

describe('MemoryDriver', () => {
  it('keeps its own copy of the bytes, on the way in and out', async () => {
    const driver = new MemoryDriver()
    const bytes = Buffer.from('hello')
    await driver.put('a', bytes, TEXT)
    bytes.fill('x')
    for await (const chunk of (await driver.get('a')).body) chunk.fill('y')
    expect((await buffer((await driver.get('a')).body)).toString()).toBe('hello')
  })

  it('holds a and a/b beside each other, as S3 does', async () => {
    const driver = new MemoryDriver()
    for (const key of ['a', 'a/b', 'a.txt']) await driver.put(key, Buffer.from(key), TEXT)
    const keys: string[] = []
    for await (const { key } of driver.list('')) keys.push(key)
    expect(keys).toEqual(['a', 'a.txt', 'a/b'])
  })

  it('lists in the order of the UTF-8 bytes, whatever the keys', async () => {
    const key = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }).filter(isObjectKey)
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(key), async keys => {
        const driver = new MemoryDriver()
        for (const name of keys) await driver.put(name, Buffer.from('x'), TEXT)
        const listed: string[] = []
        for await (const entry of driver.list('')) listed.push(entry.key)
        expect(listed).toEqual(keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
      }),
    )
  })

  it('has one winner among twenty that create the same key', async () => {
    const driver = new MemoryDriver()
    const race = Array.from({ length: 20 }, (_, runner) =>
      codeOf(() => driver.put('a', Readable.from([`${runner}`]), { ...TEXT, ifNoneMatch: '*' })),
    )
    const codes = await Promise.all(race)
    expect(codes.toSorted()).toEqual([...Array(19).fill('ERR_FILE_EXISTS'), 'none'])
    expect((await buffer((await driver.get('a')).body)).toString()).toBe(`${codes.indexOf('none')}`)
  })

  it('ends a body that is being read when its signal aborts', async () => {
    const driver = new MemoryDriver()
    await driver.put('a', Buffer.from('hello'), TEXT)
    const abort = new AbortController()
    const { body } = await driver.get('a', { signal: abort.signal })
    abort.abort()
    await expect(buffer(body)).rejects.toThrow()
  })

  it('shares nothing with another one', async () => {
    const driver = new MemoryDriver()
    await driver.put('a', Buffer.from('x'), TEXT)
    expect(await codeOf(() => new MemoryDriver().head('a'))).toBe('ERR_FILE_NOT_FOUND')
  })
})
