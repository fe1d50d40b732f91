import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Driver } from '../../src/core/driver.js'
import { StorageError } from '../../src/core/errors.js'
import { runWithTenant } from '../../src/core/tenant.js'
import { GcsDriver } from '../../src/drivers/gcs/index.js'
import { LocalDriver } from '../../src/drivers/local/index.js'
import { S3Driver } from '../../src/drivers/s3/index.js'
import { codeOf } from '../core/errors-of.js'
import { driverOn } from '../drivers/azure/driver-on-azurite.js'
import { stubClient } from '../drivers/gcs/stub-client.js'
import { createContainer, describeWithAzurite } from '../support/azure.js'
import { GcsStub } from '../support/gcs-stub.js'
import { createBucket, describeWithS3, s3Connection } from '../support/s3.js'
import { waysOf } from '../support/suites.js'
import { tempDir } from '../support/temp-dir.js'
import { doorsBy, keysIn, type Place } from './doors.js'
import { CLIMBING_KEYS, LOOSE_PREFIXES, OTHER_OWNERS, TEMPTING_KEYS } from './hostile.js'
import { FOREIGN, fill, outside, placeOn, waysTo } from './place.js'

const reaching = doorsBy('target', 'address', 'key')
const owned = doorsBy('target', 'address')
const asAcme = <T>(fn: () => T) => runWithTenant('acme', fn)

/** Everything that the matrix says about calls, seen from what lies in the storage: keys and bytes. */
function staysInside(open: () => Promise<Driver>): void {
  let driver: Driver
  let place: Place
  let before: Record<string, string>
  beforeAll(async () => {
    driver = await open()
    await driver.ready()
    place = await placeOn(driver)
    await place.storage.ready()
    await fill(driver)
    before = await outside(driver)
    return () => driver.close?.()
  })

  /** What a call and the address that it may give lead to. */
  const reached = async (attempt: () => unknown): Promise<string> => {
    try {
      const result = await attempt()
      return (JSON.stringify(result) ?? '') + (await behind(place, result))
    } catch (error) {
      if (StorageError.is(error)) return error.code
      throw error
    }
  }

  it('has files of others to lose', () => {
    expect(Object.keys(before).length).toBeGreaterThan(5)
    expect(Object.values(before).every(text => text.includes(FOREIGN))).toBe(true)
  })

  it.each(owned)('$name reaches no file of another tenant', async ({ door }) => {
    for (const owner of OTHER_OWNERS) {
      for (const way of waysTo(door, 'a.txt', owner).slice(-1))
        expect([owner, await asAcme(() => codeOf(() => way(place)))]).toEqual([owner, 'ERR_TENANT_MISMATCH'])
    }
    expect(await outside(driver)).toEqual(before)
  })

  it.each(reaching)(
    '$name reaches nothing outside by a key that climbs',
    async ({ subject, method, door }) => {
      // what a backend does not do at all, its scope does not either
      if (subject === 'a scoped driver' && Reflect.get(driver, method) === undefined)
        return expect(place.scoped).toHaveProperty(method, undefined)
      for (const key of CLIMBING_KEYS) {
        for (const way of waysTo(door, key))
          expect([key, await asAcme(() => codeOf(() => way(place)))]).toEqual([key, 'ERR_KEY_INVALID'])
      }
      expect(await outside(driver)).toEqual(before)
    },
  )

  it.each(reaching)('$name reaches nothing outside by a key that tempts', async ({ door }) => {
    for (const key of TEMPTING_KEYS) {
      for (const way of waysTo(door, key)) {
        const words = await asAcme(() => reached(() => way(place)))
        expect([key, words.includes(FOREIGN)]).toEqual([key, false])
      }
    }
    expect(await outside(driver)).toEqual(before)
  })

  it.each(doorsBy('prefix'))('$name shows nothing of others', async ({ door }) => {
    const own = await keysIn(driver.list('media/acme/'))
    expect(own.length).toBeGreaterThan(1)
    for (const prefix of ['', ...LOOSE_PREFIXES, ...TEMPTING_KEYS.map(key => `${key}/`)]) {
      let keys: unknown = []
      await asAcme(() =>
        codeOf(async () => {
          keys = await door.call(place, prefix)
        }),
      )
      const objectKeys = (keys as string[]).map(key => `media/acme/${key}`)
      expect({ prefix, strange: objectKeys.filter(key => !own.includes(key)) }).toEqual({
        prefix,
        strange: [],
      })
    }
  })
}

/** The bytes behind an address, fetched as a browser would, or through the storage where that signed it itself. */
async function behind({ storage }: Place, result: unknown): Promise<string> {
  if (typeof result !== 'string') return ''
  if (/^https?:/.test(result)) return (await fetch(result)).text()
  if (!result.startsWith('/files/')) return ''
  const { address } = storage.verifyUrl(result.slice('/files'.length))
  const { body } = await storage.disk(address.disk).get(address)
  return (await body.toArray()).join('')
}

const SUITES: Record<string, () => void> = {
  'the local disk': () => {
    describe('on the local disk, every door', () => {
      staysInside(async () => new LocalDriver({ root: tempDir() }))
    })
  },
  Ceph: () => {
    describeWithS3('on Ceph, every door', () => {
      staysInside(async () => {
        const { endpoint, region, accessKeyId, secretAccessKey } = s3Connection()
        const credentials = { accessKeyId, secretAccessKey }
        return new S3Driver({ bucket: await createBucket('isolation'), endpoint, region, credentials })
      })
    })
  },
  azurite: () => {
    describeWithAzurite('on azurite, every door', () => {
      staysInside(async () => driverOn(await createContainer('isolation')))
    })
  },
  'a GCS stub': () => {
    describe('on a GCS stub, every door', () => {
      const stub = new GcsStub()
      afterAll(() => stub.close())
      staysInside(async () => {
        await stub.start()
        return new GcsDriver({ bucket: stub.createBucket(), client: stubClient(stub) })
      })
    })
  },
}

for (const backend of waysOf(['the local disk', 'Ceph'], ['azurite', 'a GCS stub'])) SUITES[backend]?.()
