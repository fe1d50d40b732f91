import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Driver } from '../../../src/core/driver.js'
import { scopeDriver } from '../../../src/core/scoped-driver.js'
import { PORTABLE_KEYS } from '../../../src/testing/driver-cases-keys.js'
import { listKeys, readText, store } from '../../../src/testing/driver-cases-support.js'
import { driverCases } from '../../../src/testing/index.js'
import { createContainer, describeWithAzurite, listAllBlobs } from '../../support/azure.js'
import { driverOn, fetchFromAzure } from './driver-on-azurite.js'

/**
 * Their table has "..." and "..a/.b/c..", which Azure itself cannot hold: it takes a dot at the end of a segment
 * away. So the driver refuses them, and the other keys of the table have their test below.
 */
const WITH_TRAILING_DOTS = new Set([
  'odd keys stay what they are in put, get, head, list, copy and delete',
  'a signed URL gives odd keys as well as plain ones',
])

describeWithAzurite('the Azure driver keeps the promises of every driver', () => {
  for (const scope of ['', 'media/acme/']) {
    describe(scope === '' ? 'bare' : 'scoped', () => {
      let container: Awaited<ReturnType<typeof createContainer>>
      let driver: Driver
      beforeAll(async () => {
        container = await createContainer('cases')
        driver = driverOn(container, { blockSize: 5 * 1024 * 1024, blocksInFlight: 2 })
        await driver.ready()
        if (scope !== '') driver = scopeDriver(driver, scope)
        return () => driver.close?.()
      })

      for (const { name, needs, run } of driverCases.filter(each => !WITH_TRAILING_DOTS.has(each.name))) {
        it(name, async () => {
          if (needs !== undefined && !driver.capabilities[needs]) throw new Error(`needs ${needs}`)
          await run({ driver, prefix: `${randomUUID()}/`, fetch: fetchFromAzure })
        })
      }

      it('odd keys that end no segment with a dot stay what they are, also in signed URLs', async () => {
        const prefix = `${randomUUID()}/`
        const keys = PORTABLE_KEYS.filter(key => !/\.(\/|$)/.test(key)).map(key => prefix + key)
        expect(keys).toHaveLength(PORTABLE_KEYS.length - 2)
        for (const key of keys) {
          await store(driver, key, key)
          expect(await readText(driver, key)).toBe(key)
          expect((await driver.head(key)).size).toBe(Buffer.byteLength(key))
          await driver.copy(key, `${prefix}copies/${key}`.slice(0, 1_000))
          const url = driver.signUrl?.(key, { method: 'GET', expiresIn: 60, at: Date.now() })
          expect(await (await fetch(url ?? '')).text()).toBe(key)
        }
        expect(await listKeys(driver, prefix)).toEqual(expect.arrayContaining(keys))
        for (const key of await listKeys(driver, prefix)) await driver.delete(key)
        expect(await listKeys(driver, prefix)).toEqual([])
        expect(await listAllBlobs(container, scope + prefix)).toEqual([])
      })

      it.each(['file.', 'a./b', '...', 'a/b..', '..a/.b/c..'])(
        'the key %s, which Azure would rewrite, is refused by every method',
        async key => {
          const refused = { code: 'ERR_KEY_INVALID' }
          await expect(store(driver, key, '')).rejects.toMatchObject(refused)
          await expect(driver.get(key)).rejects.toMatchObject(refused)
          await expect(driver.head(key)).rejects.toMatchObject(refused)
          await expect(driver.delete(key)).rejects.toMatchObject(refused)
          await expect(driver.copy(key, 'b')).rejects.toMatchObject(refused)
          await expect(driver.copy('b', key)).rejects.toMatchObject(refused)
          const sign = () => driver.signUrl?.(key, { method: 'GET', expiresIn: 60, at: 0 })
          expect(sign).toThrow(expect.objectContaining(refused))
        },
      )
    })
  }
})
