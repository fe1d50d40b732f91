import { setTimeout as sleep } from 'node:timers/promises'
import { type DataSource, Not } from 'typeorm'
import { expect, it } from 'vitest'
import { runWithTenant } from '../../src/core/tenant.js'
import { MemoryDriver } from '../../src/drivers/memory/index.js'
import { reapOnce } from '../../src/typeorm/index.js'
import { keysIn } from '../isolation/doors.js'
import { house, memoryStorage, states, upload } from './databases.js'
import { ORDER_RULES, Order } from './entities.js'
import { describeOnDatabases } from './on-databases.js'

/** As if so much time had passed: everything that has a time is over. */
async function passTime(dataSource: DataSource): Promise<void> {
  await dataSource.query('UPDATE file_ledger SET expires_at = 1 WHERE expires_at IS NOT NULL')
}

describeOnDatabases('bytes of live rows', fresh => {
  const open = async () => {
    const driver = new MemoryDriver()
    const home = await house(fresh, [Order], { storage: memoryStorage({ memory: driver }) })
    return { ...home, driver, orders: home.dataSource.getRepository(Order) }
  }

  it.each([
    [
      'save() without listeners',
      (home, file) => home.orders.save({ title: 'x', file }, { listeners: false }),
    ],
    [
      'save() without a transaction',
      (home, file) => home.orders.save({ title: 'x', file }, { transaction: false }),
    ],
    ['insert()', (home, file) => home.orders.insert({ title: 'x', file })],
    ['upsert()', (home, file) => home.orders.upsert({ id: 7, title: 'x', file }, ['id'])],
    [
      'an insert by query builder without listeners',
      (home, file) =>
        home.orders.createQueryBuilder().insert().values({ title: 'x', file }).callListeners(false).execute(),
    ],
  ] as [string, (home: Awaited<ReturnType<typeof open>>, file: Order['file']) => Promise<unknown>][])(
    'survive the reaper after %s',
    async (_, write) => {
      const home = await open()
      await write(home, await upload(home, ORDER_RULES))
      await passTime(home.dataSource)
      await reapOnce(home.storage)
      const [row] = await home.orders.find()
      expect(String(await runWithTenant('acme', async () => row?.file?.bytes()))).toBe('hello')
      expect(await states(home.dataSource)).toEqual({ attached: 1 })
    },
  )

  it('survive a reaper that works while they are replaced and removed', async () => {
    const { orders, driver, ...home } = await open()
    let isDone = false
    const reaping = (async () => {
      while (!isDone) {
        await reapOnce(home.storage, { batchSize: 2, tombstone: 0 })
        await sleep(1)
      }
    })()
    for (let round = 0; round < 15; round++) {
      const order = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
      if (round % 3 > 0) await orders.save({ id: order.id, file: await upload(home, ORDER_RULES) })
      if (round % 3 > 1) await orders.remove(await orders.findOneByOrFail({ id: order.id }))
    }
    isDone = true
    await reaping
    await reapOnce(home.storage)
    const rows = await orders.find({ where: { id: Not(0) } })
    expect(await keysIn(driver.list(''))).toEqual(
      rows.map(({ file }) => `media/acme/${file?.key}`).toSorted(),
    )
    expect(await states(home.dataSource)).toEqual({ attached: rows.length })
  })
})
