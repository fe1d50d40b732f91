import { expect, it } from 'vitest'
import { onStorageEvent, runAsSystem, runWithTenant, type StorageEvents } from '../../src/core/index.js'
import { house, states, upload } from './databases.js'
import { ORDER_RULES, Order } from './entities.js'
import { describeOnSqliteFirst } from './on-databases.js'

function heard<E extends 'denied' | 'leftover'>(event: E) {
  const payloads: StorageEvents[E][] = []
  return { payloads, stop: onStorageEvent(event, payload => void payloads.push(payload)) }
}

describeOnSqliteFirst('what runs for one tenant', fresh => {
  it('does not save a file that another tenant uploaded', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const file = await upload(home, ORDER_RULES, { tenant: 'globex' })
    const denied = heard('denied')
    await expect(runWithTenant('acme', () => orders.save({ file }))).rejects.toMatchObject({
      code: 'ERR_TENANT_MISMATCH',
      status: 404,
    })
    denied.stop()
    expect(denied.payloads).toMatchObject([{ operation: 'claim', tenant: 'acme', owner: 'globex' }])
    expect(await orders.count()).toBe(0)
    expect(await states(home.dataSource)).toEqual({ pending: 1 })
  })

  it('deletes no file of another tenant with a row that names one, and says so', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const order = await orders.save({ file: await upload(home, ORDER_RULES, { tenant: 'globex' }) })
    const leftover = heard('leftover')
    await runWithTenant('acme', async () => orders.remove(await orders.findOneByOrFail({ id: order.id })))
    leftover.stop()
    expect(leftover.payloads).toMatchObject([{ error: { code: 'ERR_TENANT_MISMATCH' } }])
    expect(await orders.count()).toBe(0)
    expect(await states(home.dataSource)).toEqual({ attached: 1 })
  })

  it('saves and removes its own; outside of any tenant rows of all may be written', async () => {
    const home = await house(fresh, [Order])
    const orders = home.dataSource.getRepository(Order)
    const [acme, globex] = [
      await upload(home, ORDER_RULES),
      await upload(home, ORDER_RULES, { tenant: 'globex' }),
    ]
    const one = await runWithTenant('acme', () => orders.save({ file: acme }))
    const other = await orders.save({ file: globex })
    expect(await states(home.dataSource)).toEqual({ attached: 2 })
    await runWithTenant('acme', async () => orders.remove(await orders.findOneByOrFail({ id: one.id })))
    await runAsSystem('clean up', async () => orders.remove(await orders.findOneByOrFail({ id: other.id })))
    expect(await states(home.dataSource)).toEqual({ delete: 2 })
  })
})
