import { expect, it } from 'vitest'
import { runWithTenant } from '../../src/core/tenant.js'
import { house, ledgerOf, stateOf, states, upload } from './databases.js'
import { ORDER_RULES, Order } from './entities.js'
import { describeOnDatabases } from './on-databases.js'

describeOnDatabases('saving a file', fresh => {
  it('claims the staged file in the transaction of its row', async () => {
    const home = await house(fresh, [Order])
    const { dataSource } = home
    const file = await upload(home, ORDER_RULES)
    expect(await ledgerOf(dataSource)).toMatchObject([
      { state: 'pending', tenant: 'acme', backend: 'memory' },
    ])
    const orders = dataSource.getRepository(Order)
    const saved = await orders.save(orders.create({ title: 'one', file }))
    expect(saved.file).toBe(file)
    expect(await ledgerOf(dataSource)).toMatchObject([{ state: 'attached', expires_at: null }])
  })

  it('gives a reloaded entity that serialises to name, size, type and url', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const { id } = await orders.save(orders.create({ file: await upload(home, ORDER_RULES) }))
    const order = await orders.findOneByOrFail({ id })
    const json = runWithTenant('acme', () => JSON.parse(JSON.stringify(order)))
    expect(json).toEqual({
      id,
      title: null,
      file: {
        name: 'a.txt',
        size: 5,
        type: 'text/plain',
        url: expect.stringMatching(/^\/files\/memory\/media\/acme/),
      },
    })
  })

  it('keeps every URL out of the database', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const order = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
    runWithTenant('acme', () => order.file?.url)
    order.title = 'y'
    await orders.save(order)
    const table = home.dataSource.driver.escape('order')
    const rows = await home.dataSource.query(`SELECT * FROM ${table}`)
    expect(rows).toHaveLength(1)
    expect(JSON.parse(rows[0].file)).toMatchObject({ v: 1, disk: 'media', backend: 'memory', tenant: 'acme' })
    expect(JSON.stringify(rows)).not.toMatch(/signature|expires|\/files\//)
  })

  it('hands the replaced file to the reaper', async () => {
    const home = await house(fresh, [Order])
    const { dataSource } = home
    const orders = dataSource.getRepository(Order)
    const [first, second] = [await upload(home, ORDER_RULES), await upload(home, ORDER_RULES)]
    const order = await orders.save({ title: 'x', file: first })
    order.file = second
    await orders.save(order)
    expect([await stateOf(dataSource, first), await stateOf(dataSource, second)]).toEqual([
      'delete',
      'attached',
    ])
  })

  it('hands the file of a removed row to the reaper', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const order = await orders.save({ title: 'x', file: await upload(home, ORDER_RULES) })
    await orders.remove(order as Order)
    expect(await states(home.dataSource)).toEqual({ delete: 1 })
  })
})
