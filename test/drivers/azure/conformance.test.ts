import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Driver } from '../../../src/core/driver.js'
import { scopeDriver } from '../../../src/core/scoped-driver.js'
import { store } from '../../../src/testing/driver-cases-support.js'
import { driverCases } from '../../../src/testing/index.js'
import { createContainer, describeWithAzurite } from '../../support/azure.js'
import { waysOf } from '../../support/suites.js'
import { driverOn, fetchFromAzure } from './driver-on-azurite.js'

describeWithAzurite('the Azure driver keeps the promises of every driver', () => {
  for (const scope of waysOf([''], ['media/acme/'])) {
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

      for (const { name, needs, run } of driverCases) {
        it(name, async () => {
          if (needs !== undefined && !driver.capabilities[needs]) throw new Error(`needs ${needs}`)
          await run({ driver, prefix: `${randomUUID()}/`, fetch: fetchFromAzure })
        })
      }

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
