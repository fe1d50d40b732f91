import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { Disk } from '../../src/core/disk.js'
import { onStorageEvent, type StorageEvents } from '../../src/core/events.js'
import { Storage } from '../../src/core/storage.js'
import { StoredFile } from '../../src/core/stored-file.js'
import { runAsSystem, runWithTenant } from '../../src/core/tenant.js'
import { AzureDriver } from '../../src/drivers/azure/index.js'
import { GcsDriver } from '../../src/drivers/gcs/index.js'
import { LocalDriver } from '../../src/drivers/local/index.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { SpacesDriver } from '../../src/drivers/spaces/index.js'
import { codeOf } from '../core/errors-of.js'
import { SpyDriver } from '../core/spy-driver.js'
import { DOORS, doorsBy, fileAt, membersOf, methodsOf, type Place } from './doors.js'
import { CLIMBING_KEYS, LOOSE_PREFIXES, NO_TENANT_IDS, OTHER_OWNERS, TEMPTING_KEYS } from './hostile.js'
import { addressOf, FOREIGN, fill, outside, placeOn, waysTo } from './place.js'

let spy: SpyDriver
let place: Place
beforeEach(async () => {
  spy = new SpyDriver({ signs: true })
  place = await placeOn(spy)
  await fill(spy.memory)
})

const asAcme = <T>(fn: () => T) => runWithTenant('acme', fn)

/** For those who may not: nothing was asked of the backend, not even that it gets ready. */
function expectSilence(): void {
  expect(spy.calls).toEqual([])
  expect(spy.readied).toBe(0)
}

function expectOnlyOwnKeys(): void {
  for (const key of spy.keys) {
    expect(key.startsWith('media/acme/')).toBe(true)
    expect(key.split('/')).not.toContain('..')
  }
}

/** The words of whatever a method gave back; streams are text by then. */
const said = (result: unknown) => JSON.stringify(result) ?? ''

describe('the table of doors', () => {
  const storage = async () => (await placeOn(new SpyDriver())).storage
  const subjects: [string, () => Promise<object>][] = [
    ['Disk', async () => (await storage()).disk('media')],
    ['Storage', storage],
    ['StoredFile', async () => fileAt(await placeOn(new SpyDriver()), addressOf('acme'))],
    ['a scoped driver', async () => (await placeOn(new SpyDriver({ signs: true }))).scoped],
  ]

  it.each(subjects)('has a row for every method of %s, and for nothing else', async (name, subject) => {
    const rows = Object.keys(DOORS[name] ?? {})
    const members = membersOf(await subject())
    expect({ withoutRow: members.filter(member => !rows.includes(member)) }).toEqual({ withoutRow: [] })
    expect({ gone: rows.filter(row => !members.includes(row)) }).toEqual({ gone: [] })
  })

  // A group of methods that only one driver has must be confined as well, before anything can use it.
  it.each(Object.entries({ LocalDriver, MemoryDriver, S3Driver, SpacesDriver, AzureDriver, GcsDriver }))(
    'knows every method of %s as one that a scope confines',
    (_, driver) => {
      const confined = Object.keys(DOORS['a scoped driver'] ?? {})
      expect(methodsOf(driver.prototype).filter(method => !confined.includes(method))).toEqual([])
    },
  )

  it('would notice a method that is added, be it a function, a getter or a field', () => {
    class Later {
      readonly data = 1
      readonly field = () => 1
      method(): void {}
      get getter(): number {
        return 1
      }
    }
    expect(membersOf(new Later())).toEqual(['field', 'method', 'getter'])
  })

  it.each(doorsBy('nothing'))('says in a sentence why nobody stands before $name', ({ door }) => {
    expect(door.because).toMatch(/^[A-Z].{20,}\.$/)
  })

  it('has doors of every kind', () => {
    for (const kind of ['target', 'address', 'key', 'prefix', 'tail', 'caller'] as const)
      expect(doorsBy(kind).length).toBeGreaterThan(0)
    expect(Object.keys(DOORS).toSorted()).toEqual(subjects.map(([name]) => name).toSorted())
    expect([Disk, Storage, StoredFile].map(({ name }) => name in DOORS)).toEqual([true, true, true])
  })
})

describe.each(doorsBy('target', 'address', 'key'))('$name', ({ door }) => {
  const own = door.on === 'free' ? 'new.txt' : 'a.txt'

  it('reaches the own file and nothing else', async () => {
    for (const way of waysTo(door, own)) {
      await fill(spy.memory) // as if nobody had deleted it
      await spy.memory.delete('media/acme/new.txt')
      spy.calls.length = 0
      const result = await asAcme(() => way(place))
      expect([...spy.keys, said(result)].some(words => words.includes(`media/acme/${own}`))).toBe(true)
      expectOnlyOwnKeys()
    }
  })

  it.each(CLIMBING_KEYS)('refuses the key %j before the backend is called', async key => {
    const before = await outside(spy.memory)
    for (const way of waysTo(door, key)) {
      expect(await asAcme(() => codeOf(() => way(place)))).toBe('ERR_KEY_INVALID')
    }
    expect(spy.calls).toEqual([])
    expect(await outside(spy.memory)).toEqual(before)
  })

  it('refuses a key that is too long only together with its prefix', async () => {
    for (const way of waysTo(door, 'x'.repeat(1020)))
      expect(await asAcme(() => codeOf(() => way(place)))).toBe('ERR_KEY_INVALID')
    expect(spy.calls).toEqual([])
  })

  it.each(TEMPTING_KEYS)('takes the key %j to the letter, and stays inside with it', async key => {
    const before = await outside(spy.memory)
    for (const way of waysTo(door, key)) {
      let result: unknown
      await asAcme(() =>
        codeOf(async () => {
          result = await way(place)
        }),
      )
      expect(said(result)).not.toContain(FOREIGN)
    }
    expectOnlyOwnKeys()
    expect(await outside(spy.memory)).toEqual(before)
  })
})

describe.each(doorsBy('target', 'address'))('$name', ({ subject, method, door }) => {
  const call = (owner: string | null, key?: string) => () =>
    waysTo(door, key ?? 'a.txt', owner).at(-1)?.(place)

  it.each(OTHER_OWNERS)(
    'refuses a file of %j before the backend is called, and says who asked',
    async owner => {
      const before = await outside(spy.memory)
      const seen: StorageEvents['denied'][] = []
      const stop = onStorageEvent('denied', event => void seen.push(event))
      const code = await asAcme(() => codeOf(call(owner)))
      stop()
      expect(code).toBe('ERR_TENANT_MISMATCH')
      expectSilence()
      expect(await outside(spy.memory)).toEqual(before)
      const operation = door.asks ?? method
      expect(seen).toEqual([{ ...addressOf(owner), operation, tenant: 'acme', owner }])
    },
  )

  it('looks to a stranger as if the file were not there', async () => {
    await expect(asAcme(async () => call('globex')())).rejects.toMatchObject({
      status: 404,
      message: 'There is no such file.',
      key: undefined,
      backend: undefined,
    })
  })

  it('reaches a file of any tenant under runAsSystem, and of no other', async () => {
    const key = door.on === 'free' ? 'new.txt' : 'a.txt'
    expect(await runAsSystem('a test', () => codeOf(call('globex', key)))).toBe('none')
    for (const seen of spy.keys) expect(seen).toMatch(/^media\/globex\//)
  })

  it('needs an owner that can be one, also under runAsSystem', async () => {
    for (const owner of [null, ...NO_TENANT_IDS])
      expect(await runAsSystem('a test', () => codeOf(call(owner)))).toBe('ERR_TENANT_INVALID')
    expect(spy.calls).toEqual([])
  })

  it('gives a stranger nothing of a public disk but its permanent address', async () => {
    const address = addressOf('acme', 'a.txt', 'public-media')
    const attempt = () => door.call({ ...place, disk: place.storage.disk('public-media') }, address)
    if (isPublicAddress(subject, method)) {
      expect(said(await runWithTenant('globex', attempt))).toContain('/files/spy/public-media/acme/')
      return
    }
    expect(await codeOf(attempt)).toBe('ERR_TENANT_REQUIRED')
    expect(await runWithTenant('globex', () => codeOf(attempt))).toBe('ERR_TENANT_MISMATCH')
    expectSilence()
  })
})

/** What is given to everyone on a public disk: DESIGN, "Reading a public disk's `url` needs no tenant". */
function isPublicAddress(subject: string, method: string): boolean {
  return ['Disk.url', 'Storage.urlOf', 'StoredFile.url', 'StoredFile.toJSON'].includes(`${subject}.${method}`)
}

describe.each(doorsBy('target'))('$name', ({ door }) => {
  it('refuses a file of another disk', async () => {
    const elsewhere = addressOf('acme', 'a.txt', 'shared')
    expect(await asAcme(() => codeOf(() => door.call(place, elsewhere)))).toBe('ERR_DISK_UNKNOWN')
    expectSilence()
  })

  it('refuses a bare key under runAsSystem, since it has no owner', async () => {
    expect(await runAsSystem('a test', () => codeOf(() => door.call(place, 'a.txt')))).toBe(
      'ERR_TENANT_REQUIRED',
    )
    expectSilence()
  })

  it('refuses a file on a backend that is not configured', async () => {
    if (door.only === 'names')
      return expect(await asAcme(() => door.call(place, 'a.txt'))).toBe('media/acme/a.txt')
    const lost = { ...addressOf('acme'), backend: 'gone' }
    expect(await asAcme(() => codeOf(() => door.call(place, lost)))).toBe('ERR_BACKEND_UNKNOWN')
    expect(spy.calls).toEqual([])
  })
})

// A driver knows no tenants, so its scope is all that there is to try.
const asked = doorsBy('target', 'address', 'key', 'prefix', 'caller').filter(
  ({ subject }) => subject !== 'a scoped driver',
)

describe.each(asked)('$name', ({ door }) => {
  const ways = door.by === 'prefix' ? waysTo(door, '') : waysTo(door, 'a.txt')

  it('refuses to work without a tenant, before the backend is called', async () => {
    for (const way of ways) expect(await codeOf(() => way(place))).toBe('ERR_TENANT_REQUIRED')
    expectSilence()
  })

  it('does not run for what is no tenant id', async () => {
    for (const id of NO_TENANT_IDS) {
      for (const way of ways)
        expect(await codeOf(() => runWithTenant(id, () => way(place)))).toBe('ERR_TENANT_INVALID')
    }
    expectSilence()
  })
})

describe.each(doorsBy('prefix'))('$name', ({ door }) => {
  it('gives the own keys only, as the caller knows them', async () => {
    await spy.memory.put('media/acme/a/1', Buffer.from('1'), { contentType: 'text/plain' })
    expect(await asAcme(() => door.call(place, ''))).toEqual(['a.txt', 'a/1'])
    expect(await asAcme(() => door.call(place, 'a/'))).toEqual(['a/1'])
    expectOnlyOwnKeys()
  })

  it.each(LOOSE_PREFIXES)('refuses the prefix %j before the backend is called', async prefix => {
    expect(await asAcme(() => codeOf(() => door.call(place, prefix)))).toBe('ERR_KEY_INVALID')
    expect(spy.calls).toEqual([])
  })

  it.each(TEMPTING_KEYS)('takes the prefix %j to the letter, and finds nothing there', async prefix => {
    expect(await asAcme(() => door.call(place, `${prefix}/`))).toEqual([])
    expectOnlyOwnKeys()
  })
})

describe.each(doorsBy('tail'))('$name', ({ door }) => {
  const PLAIN = 'expires=99999999999&signature=x'
  const tailOf = async (): Promise<string> => {
    place = await placeOn(new SpyDriver()) // signs nothing, so that the storage itself does
    return asAcme(() => place.disk.signedUrl('a.txt')).slice('/files'.length)
  }

  it('permits what the address was signed for, and says whose it is', async () => {
    expect(door.call(place, await tailOf())).toMatchObject({ address: addressOf('acme') })
  })

  it.each(OTHER_OWNERS)('refuses an address whose tenant was made %j', async owner => {
    const tail = await tailOf()
    const forged = [`${owner}`, encodeURIComponent(`${owner?.toWellFormed()}`)]
      .map(name => tail.replace('/acme/', `/${name}/`))
      .filter(each => each !== tail)
    expect(forged.length).toBeGreaterThan(0)
    for (const each of forged) expect(await codeOf(() => door.call(place, each))).toBe('ERR_URL_INVALID')
  })

  it.each([...CLIMBING_KEYS, ...TEMPTING_KEYS])('refuses an address whose key was made %j', async key => {
    const tail = await tailOf()
    for (const name of [key.toWellFormed(), encodeURIComponent(key.toWellFormed())]) {
      for (const each of [tail.replace('a.txt', () => name), `/spy/media/acme/${name}?${PLAIN}`])
        expect(await codeOf(() => door.call(place, each))).toBe('ERR_URL_INVALID')
    }
  })

  it('permits no private file without a signature', async () => {
    const [path = ''] = (await tailOf()).split('?')
    for (const each of [path, `${path}?`, `${path}?${PLAIN}`])
      expect(await codeOf(() => door.call(place, each))).toBe('ERR_URL_INVALID')
  })
})

describe('a file that nobody made', () => {
  const forged = Object.assign(Object.create(StoredFile.prototype), fileAtRest())

  it.each(doorsBy('address').filter(({ subject }) => subject === 'StoredFile'))(
    'is of no use in $name',
    async ({ method }) => {
      const outcome = await asAcme(() =>
        codeOf(async () => {
          const member: unknown = Reflect.get(StoredFile.prototype, method, forged)
          const result = typeof member === 'function' ? await member.call(forged) : member
          expect(result).toMatchObject({ url: null }) // of toJSON, which never throws
        }),
      )
      expect(outcome).toBe(method === 'toJSON' ? 'none' : 'ERR_FILE_FORGED')
      expectSilence()
    },
  )
})

function fileAtRest() {
  return { ...addressOf('acme'), name: 'a.txt', size: 5, type: 'text/plain', sha256: null }
}

it('no text of any kind takes any door to an object of another tenant', async () => {
  const part = fc.constantFrom(
    ...['..', '.', '', 'a', 'a.txt', 'acme', 'acme-corp', 'globex', 'media', 'shared', '\\', '\u0000', 'é'],
    ...['%2e%2e', '%2f', '\u2024\u2024', '\uff0e\uff0e', '.. '],
  )
  const words = fc.oneof(
    fc.array(part, { maxLength: 6 }).map(parts => parts.join('/')),
    fc.constantFrom(...CLIMBING_KEYS, ...TEMPTING_KEYS, ...LOOSE_PREFIXES),
    fc.string({ unit: 'binary' }),
  )
  const owner = fc.oneof(fc.constantFrom(...OTHER_OWNERS, 'acme'), fc.string())
  const doors = fc.constantFrom(...doorsBy('target', 'address', 'key', 'prefix'))
  await fc.assert(
    fc.asyncProperty(words, owner, doors, async (key, tenant, { door }) => {
      spy.calls.length = 0
      for (const way of waysTo(door, key, tenant)) {
        await asAcme(() =>
          codeOf(async () => {
            expect(said(await way(place))).not.toContain(FOREIGN)
          }),
        )
      }
      expectOnlyOwnKeys()
    }),
    { numRuns: 2_000 },
  )
  expect(Object.values(await outside(spy.memory)).every(text => text.startsWith(FOREIGN))).toBe(true)
})
