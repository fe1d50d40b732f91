import { expect, test } from 'vitest'
import { runWithTenant } from '../../src/core/tenant.js'
import { knownTenants, ledgerStatus, reapOnce } from '../../src/typeorm/index.js'
import { house, upload } from './databases.js'
import { ORDER_RULES, Order } from './entities.js'
import { describeOnSqliteFirst } from './on-databases.js'

describeOnSqliteFirst('the ledger as a whole', fresh => {
  test('is counted by backend and state, and names its tenants', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const order = await orders.save({ title: null, file: await upload(home, ORDER_RULES, { body: 'four' }) })
    await upload(home, ORDER_RULES, { tenant: 'globex' })
    expect(await ledgerStatus(home.dataSource)).toEqual({
      parts: [
        { backend: 'memory', state: 'attached', files: 1, bytes: 4 },
        { backend: 'memory', state: 'pending', files: 1, bytes: 5 },
      ],
      ...{ due: 0, oldestDue: null, dead: 0 },
    })
    expect(await knownTenants(home.dataSource)).toEqual(['acme', 'globex'])
    await orders.remove(order)
    expect(await ledgerStatus(home.dataSource)).toMatchObject({ due: 1, oldestDue: expect.any(Number) })
  })

  test('is nothing for code that runs for one tenant', async () => {
    const { dataSource } = await house(fresh, [Order])
    const mismatch = { code: 'ERR_TENANT_MISMATCH' }
    await expect(runWithTenant('acme', () => ledgerStatus(dataSource))).rejects.toMatchObject(mismatch)
    await expect(runWithTenant('acme', () => knownTenants(dataSource))).rejects.toMatchObject(mismatch)
  })

  test('is reaped up to a limit, whatever the size of a batch', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    for (let i = 0; i < 5; i++)
      await orders.remove(await orders.save({ title: null, file: await upload(home, ORDER_RULES) }))
    expect(await reapOnce(home.storage, { limit: 3, batchSize: 2 })).toMatchObject({ taken: 3, deleted: 3 })
    expect(await ledgerStatus(home.dataSource)).toMatchObject({ due: 2 })
    await expect(reapOnce(home.storage, { limit: 0 })).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })
})
